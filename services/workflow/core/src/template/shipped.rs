//! The templates that come with the program.

use std::sync::{Arc, LazyLock};

use super::Template;

/// Id of the template of a case that names none: the township's work plan of 2021.
pub const DEFAULT: &str = "TOWNSHIP2021";

/// The templates that come with the program; each passed [`Template::read`].
pub static SHIPPED: LazyLock<Vec<Arc<Template>>> = LazyLock::new(|| {
    let files = [
        include_str!("../../templates/township2021.json"),
        include_str!("../../templates/guide2022.json"),
        include_str!("../../templates/compare_first.json"),
        include_str!("../../templates/nine_step.json"),
    ];
    // One that does not read would be missing: a test reads all four.
    let read = files.iter().filter_map(|json| Template::read(json).ok());
    read.map(Arc::new).collect()
});
