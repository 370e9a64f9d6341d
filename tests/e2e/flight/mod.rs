//! What reaches the server over Flight without any client of ours in between: what others send, what nobody
//! should send, and callers that vanish.

pub(crate) mod broken;
mod garbled;
mod hostile;
mod spoken;
