//! The contracts at run time: what the GraphQL schema is derived from.

use std::{collections::HashMap, sync::LazyLock};

use prost_reflect::{DescriptorPool, FileDescriptor, MethodDescriptor, ServiceDescriptor};

/// Every message, enum and service of `proto/`, with its comments.
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).expect("the contracts were compiled");
    let comments = pool.files().flat_map(|file| comments(&file)).collect();
    let methods = pool.services().flat_map(|service| methods(&service));
    let methods = methods.collect();
    Contract { methods, comments }
});

struct Contract {
    /// By service and name.
    methods: HashMap<String, MethodDescriptor>,
    comments: HashMap<(String, Vec<i32>), String>,
}

fn methods(service: &ServiceDescriptor) -> Vec<(String, MethodDescriptor)> {
    // backstop.households.v1
    let name = service.package_name().split('.').nth(1).unwrap_or_default();
    let methods = service.methods();
    methods
        .map(|method| (format!("{name}.{}", method.name()), method))
        .collect()
}

fn comments(file: &FileDescriptor) -> Vec<((String, Vec<i32>), String)> {
    let source = file.file_descriptor_proto().source_code_info.clone();
    let locations = source.unwrap_or_default().location.into_iter();
    locations
        .filter_map(|location| {
            let comment = location.leading_comments?;
            let lines: Vec<&str> = comment.lines().map(str::trim).collect();
            Some((
                (file.name().to_owned(), location.path),
                lines.join(" ").trim().to_owned(),
            ))
        })
        .collect()
}

/// What the contract says of a thing; empty when it says nothing.
pub fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let place = (file.name().to_owned(), path.to_vec());
    CONTRACT.comments.get(&place).cloned().unwrap_or_default()
}

/// A method by service and name, e.g. `households.ListDivisions`.
///
/// # Panics
/// The contract has none: the tables of the schema are part of the program and tested.
pub fn method(rpc: &str) -> MethodDescriptor {
    let method = CONTRACT.methods.get(rpc);
    method.unwrap_or_else(|| panic!("no RPC {rpc}")).clone()
}
