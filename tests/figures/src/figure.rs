//! What a bench says.

use serde::Serialize;

/// What a figure has to be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// One measured figure.
#[derive(Debug)]
pub struct Figure {
    pub bench: &'static str,
    pub figure: &'static str,
    pub unit: &'static str,
    pub ours: f64,
    /// What it is held against; absent where the target is a number of its own.
    pub peer: Option<f64>,
    /// Of the ratio where there is a peer, else of our own number.
    pub target: Target,
}

impl Figure {
    /// Prints it as a line of JSON. A missed target is said, not punished.
    pub fn print(&self) {
        let ratio = self.peer.map(|peer| self.ours / peer);
        let found = ratio.unwrap_or(self.ours);
        let (target, held) = match self.target {
            Target::AtLeast(least) => (format!(">={least}"), found >= least),
            Target::AtMost(most) => (format!("<={most}"), found <= most),
        };
        let line = Line {
            bench: self.bench,
            figure: self.figure,
            unit: self.unit,
            ours: rounded(self.ours),
            peer: self.peer.map(rounded),
            ratio: ratio.map(rounded),
            target,
            held,
        };
        println!("{}", serde_json::to_string(&line).unwrap_or_default());
    }
}

#[derive(Serialize)]
struct Line {
    bench: &'static str,
    figure: &'static str,
    unit: &'static str,
    ours: f64,
    peer: Option<f64>,
    ratio: Option<f64>,
    target: String,
    held: bool,
}

/// Three digits behind the point, none of a large number: nothing finer is measured.
fn rounded(value: f64) -> f64 {
    if value.abs() >= 1000.0 {
        value.round()
    } else {
        (value * 1000.0).round() / 1000.0
    }
}

/// Tells on stderr what goes on; stdout is for figures.
pub fn note(text: &str) {
    eprintln!("── {text}");
}
