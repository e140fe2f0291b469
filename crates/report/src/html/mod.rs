//! placeholder
use crate::story::Story;
/// x
pub fn html(_story: &Story) -> String {
    String::new()
}
