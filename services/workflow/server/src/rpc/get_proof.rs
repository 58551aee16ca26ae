//! Inclusion and consistency proofs (RFC 6962).

use chassis::{auth::Caller, decode::Fields, error::Error, tlog::Claim};
use proto::workflow::v1::{GetProofRequest, GetProofResponse, get_proof_request as wire};

use super::Service;

pub async fn handle(
    service: &Service,
    _: &Caller,
    request: GetProofRequest,
) -> Result<GetProofResponse, Error> {
    let claim = decode(&request)?;
    let proof = service.ledger.prove(claim).await?;
    Ok(GetProofResponse {
        hashes: proof.into_iter().map(Vec::from).collect(),
    })
}

fn decode(request: &GetProofRequest) -> Result<Claim, Error> {
    let mut f = Fields::new();
    let mut count = |field: &str, value: i64| {
        let count = u64::try_from(value).ok();
        if count.is_none() {
            f.violation(field, "COUNT", "0 or more");
        }
        count
    };
    let size = count("size", request.size);
    let claim = match request.claim {
        Some(wire::Claim::Index(index)) => count("index", index)
            .zip(size)
            .map(|(index, size)| Claim::Inclusion { index, size }),
        Some(wire::Claim::From(from)) => count("from", from)
            .zip(size)
            .map(|(from, size)| Claim::Consistency { from, size }),
        None => None,
    };
    f.finish_with(claim)
}
