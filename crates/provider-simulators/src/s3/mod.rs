//! A store that speaks S3: objects, byte ranges and multipart uploads in memory, every request signed (Signature V4) and
//! checked as the vendor checks it. Path style: `/s3/<bucket>/<key>`.

mod http;
mod signature;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use parking_lot::Mutex;

pub(crate) use http::routes;

/// The only account.
pub const ACCESS_KEY_ID: &str = "S3SIMULATORKEY";
/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "s3-simulator-secret";
/// Its region.
pub const REGION: &str = "us-east-1";
/// The smallest part of a multipart upload but the last.
pub const SMALLEST_PART: usize = 5 * 1024 * 1024;

/// What the store does to its clients.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// So many of the next requests are answered 503 `SlowDown`.
    pub slow_down: u32,
    /// Every write is answered 403 `AccessDenied`, as for a key that may only read.
    pub read_only: bool,
}

#[derive(Default)]
struct Contents {
    objects: BTreeMap<String, Bytes>,
    uploads: BTreeMap<String, Upload>,
    uploads_made: u64,
}

struct Upload {
    key: String,
    parts: BTreeMap<u32, Bytes>,
}

/// State of the store. Keys are `<bucket>/<key>`.
#[derive(Default)]
pub struct S3 {
    behaviour: Mutex<Behaviour>,
    contents: Mutex<Contents>,
    seen: Mutex<BTreeSet<String>>,
}

/// Why a multipart upload cannot be finished.
enum Unfinished {
    NoSuchUpload,
    InvalidPart,
    TooSmall,
}

impl S3 {
    /// Sets the switches.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    /// Every object, by `<bucket>/<key>`.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.contents.lock().objects.clone()
    }

    /// Changes an object behind its client's back.
    pub fn put(&self, key: &str, content: Bytes) {
        self.contents.lock().objects.insert(key.to_owned(), content);
    }

    /// Multipart uploads that were begun and neither finished nor given up.
    pub fn open_uploads(&self) -> usize {
        self.contents.lock().uploads.len()
    }

    /// The operations that were asked for, by name.
    pub fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().clone()
    }

    /// Takes one of the refusals that are ordered.
    fn slows_down(&self) -> bool {
        let mut behaviour = self.behaviour.lock();
        let slow = behaviour.slow_down > 0;
        behaviour.slow_down = behaviour.slow_down.saturating_sub(1);
        slow
    }

    fn is_read_only(&self) -> bool {
        self.behaviour.lock().read_only
    }

    fn note(&self, operation: &str) {
        self.seen.lock().insert(operation.to_owned());
    }

    fn get(&self, key: &str) -> Option<Bytes> {
        self.contents.lock().objects.get(key).cloned()
    }

    fn delete(&self, key: &str) {
        self.contents.lock().objects.remove(key);
    }

    fn begin(&self, key: &str) -> String {
        let mut contents = self.contents.lock();
        contents.uploads_made += 1;
        let id = format!("upload-{}", contents.uploads_made);
        let upload = Upload {
            key: key.to_owned(),
            parts: BTreeMap::new(),
        };
        contents.uploads.insert(id.clone(), upload);
        id
    }

    /// False for an upload that there is not.
    fn put_part(&self, id: &str, number: u32, content: Bytes) -> bool {
        let mut contents = self.contents.lock();
        match contents.uploads.get_mut(id) {
            Some(upload) => {
                upload.parts.insert(number, content);
                true
            }
            None => false,
        }
    }

    fn abort(&self, id: &str) -> bool {
        self.contents.lock().uploads.remove(id).is_some()
    }

    /// Puts the named parts together.
    fn finish(&self, id: &str, wanted: &[u32]) -> Result<(), Unfinished> {
        let mut contents = self.contents.lock();
        let upload = contents.uploads.get(id).ok_or(Unfinished::NoSuchUpload)?;
        let mut whole = Vec::new();
        for (index, number) in wanted.iter().enumerate() {
            let part = upload.parts.get(number).ok_or(Unfinished::InvalidPart)?;
            if part.len() < SMALLEST_PART && index + 1 < wanted.len() {
                return Err(Unfinished::TooSmall);
            }
            whole.extend_from_slice(part);
        }
        let key = upload.key.clone();
        contents.uploads.remove(id);
        contents.objects.insert(key, whole.into());
        Ok(())
    }
}
