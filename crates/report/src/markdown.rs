//! placeholder
use crate::story::Story;
/// x
pub fn markdown(_story: &Story) -> String {
    String::new()
}
