//! A watch as a stream, for async callers. No thread waits for it.

use super::watch::Watch;
use crate::features::watch::event::WatchEvent;
use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};
use strongroom_core::Result;

impl Stream for Watch {
    type Item = Result<WatchEvent>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.channel.poll(context).map(Result::transpose)
    }
}
