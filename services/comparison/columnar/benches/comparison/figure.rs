//! Lines of JSON like those of the other benches.

use serde_json::json;

/// One figure; with a peer the target is one of the ratio.
pub fn print(figure: &str, unit: &str, ours: f64, peer: Option<f64>, most: f64) {
    let ratio = peer.map(|peer| ours / peer);
    let held = ratio.unwrap_or(ours) <= most;
    // In the order in which people read it, which a map would not keep.
    let number = |value: Option<f64>| json!(value.map(|value| (value * 1000.0).round() / 1000.0));
    println!(
        r#"{{"bench":"comparison","figure":"{figure}","unit":"{unit}","ours":{},"peer":{},"ratio":{},"target":"<={most}","held":{held}}}"#,
        number(Some(ours)),
        number(peer),
        number(ratio),
    );
}

/// Tells on stderr what goes on; stdout is for figures.
pub fn note(text: &str) {
    eprintln!("── {text}");
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 if middle > 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values.get(middle).copied().unwrap_or(f64::NAN),
    }
}
