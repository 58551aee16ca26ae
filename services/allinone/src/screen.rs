//! What a person sees while something takes its time. On stderr: stdout is for answers.

use std::{borrow::Cow, io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// A line that turns while steps go by; plain lines when nobody watches.
#[derive(Debug)]
pub(crate) struct Steps {
    bar: ProgressBar,
    watched: bool,
}

impl Steps {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar,
            watched: std::io::stderr().is_terminal(),
        }
    }

    pub(crate) fn step(&self, text: impl Into<Cow<'static, str>>) {
        let text = text.into();
        if self.watched {
            self.bar.set_message(text);
        } else {
            eprintln!("{text}");
        }
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar of known length.
pub(crate) fn bar(len: u64, text: impl Into<Cow<'static, str>>) -> ProgressBar {
    let bar = ProgressBar::new(len).with_message(text);
    let style = ProgressStyle::with_template("{msg:24} [{bar:40}] {human_pos}/{human_len}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
