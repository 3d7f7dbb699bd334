//! Messages on their way, which own their bytes until MPI is done with them.

use mpi::request::{Request, StaticScope};

/// Bytes that MPI reads or writes meanwhile.
struct Lent {
    request: Option<Request<'static, [u8], StaticScope>>,
    bytes: *mut [u8],
}

impl Lent {
    /// The bytes, if MPI is done with them.
    fn take(&mut self) -> Option<Vec<u8>> {
        match self.request.take()?.test() {
            // SAFETY: they come from a box, MPI is done with them, and the request was the only one to
            // refer to them.
            Ok(_) => Some(unsafe { Box::from_raw(self.bytes) }.into_vec()),
            Err(request) => {
                self.request = Some(request);
                None
            }
        }
    }
}

/// What MPI still writes into or reads from must outlive the rank, so it is never freed.
impl Drop for Lent {
    fn drop(&mut self) {
        std::mem::forget(self.request.take());
    }
}

/// At least one byte of room: an empty box points to address 1, which is what Open MPI calls
/// `MPI_IN_PLACE`.
fn boxed(bytes: &[u8]) -> (*mut [u8], usize) {
    let mut room = bytes.to_vec();
    room.resize(bytes.len().max(1), 0);
    (Box::into_raw(room.into_boxed_slice()), bytes.len())
}

/// A message that leaves.
pub(super) struct OnItsWay(Lent);

impl OnItsWay {
    /// Lets `send` start to send a copy of `message`.
    pub fn start(
        message: &[u8],
        send: impl FnOnce(&'static [u8]) -> Request<'static, [u8], StaticScope>,
    ) -> Self {
        let (bytes, length) = boxed(message);
        // SAFETY: a box that is freed in `Lent::take` alone, when the request is done.
        let lent: &'static [u8] = unsafe { &*bytes };
        OnItsWay(Lent { request: Some(send(&lent[..length])), bytes })
    }

    /// Whether it has left.
    pub fn is_done(&mut self) -> bool {
        self.0.take().is_some()
    }
}

/// A message that comes.
pub(super) struct Incoming {
    lent: Lent,
    length: usize,
}

impl Incoming {
    /// Lets `receive` start to receive a message of this length.
    pub fn start(
        length: usize,
        receive: impl FnOnce(&'static mut [u8]) -> Request<'static, [u8], StaticScope>,
    ) -> Self {
        let (bytes, _) = boxed(&vec![0; length]);
        // SAFETY: a box that is freed in `Lent::take` alone, when the request is done.
        let lent: &'static mut [u8] = unsafe { &mut *bytes };
        Incoming { lent: Lent { request: Some(receive(&mut lent[..length])), bytes }, length }
    }

    /// The message, if all of it is here.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.lent.take()?;
        bytes.truncate(self.length);
        Some(bytes)
    }
}
