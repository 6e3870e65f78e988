//! WebSocket frames and protocol messages, as bytes.
