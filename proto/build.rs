//! Compiles the contracts with protox, so that no protoc is needed on the machine.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

const CONTRACTS: [&str; 7] = [
    "backstop/type/v1/type.proto",
    "backstop/feed/v1/feed.proto",
    "backstop/access/v1/access.proto",
    "backstop/households/v1/households.proto",
    "backstop/workflow/v1/workflow.proto",
    "backstop/comparison/v1/comparison.proto",
    "backstop/measures/v1/measures.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    for contract in CONTRACTS {
        println!("cargo:rerun-if-changed={contract}");
    }
    let descriptors = protox::compile(CONTRACTS, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
