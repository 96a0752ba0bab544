//! The typesetter's world: embedded fonts, embedded templates, one data file and nothing else.

use std::sync::LazyLock;

use serde::Serialize;
use typst::{
    Library, LibraryExt, World,
    diag::{FileError, FileResult},
    foundations::{Bytes, Datetime, Duration},
    syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot},
    text::{Font, FontBook},
    utils::LazyHash,
};
use typst_layout::PagedDocument;

use crate::DocumentError;

static FONTS: LazyLock<Vec<Font>> = LazyLock::new(|| {
    [
        include_bytes!("../fonts/Vazirmatn-Regular.ttf").as_slice(),
        include_bytes!("../fonts/Vazirmatn-Bold.ttf").as_slice(),
    ]
    .into_iter()
    .flat_map(|bytes| Font::iter(Bytes::new(bytes)))
    .collect()
});
static BOOK: LazyLock<LazyHash<FontBook>> =
    LazyLock::new(|| LazyHash::new(FontBook::from_fonts(FONTS.iter())));
static LIBRARY: LazyLock<LazyHash<Library>> = LazyLock::new(|| LazyHash::new(Library::default()));

// File ids are interned for ever by the typesetter: these five are all there will ever be.
static COMMON: LazyLock<Source> =
    LazyLock::new(|| source("common.typ", include_str!("../templates/common.typ")));
static INVOICE: LazyLock<Source> =
    LazyLock::new(|| source("invoice.typ", include_str!("../templates/invoice.typ")));
static RECEIPT: LazyLock<Source> =
    LazyLock::new(|| source("receipt.typ", include_str!("../templates/receipt.typ")));
static DATA: LazyLock<FileId> = LazyLock::new(|| file_id("data.json"));
static QR: LazyLock<FileId> = LazyLock::new(|| file_id("qr.svg"));

fn file_id(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("a constant plain file name is a valid path");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

fn source(name: &str, text: &str) -> Source {
    Source::new(file_id(name), text.to_owned())
}

/// Which template is the main file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Template {
    Invoice,
    Receipt,
}

/// The files that differ from document to document.
pub(crate) struct Inputs {
    data: Bytes,
    qr: Option<Bytes>,
}

impl Inputs {
    pub(crate) fn new(view: &impl Serialize, qr: Option<String>) -> Result<Self, DocumentError> {
        let data = serde_json::to_vec(view)
            .map_err(|error| DocumentError::Typesetting(error.to_string()))?;
        Ok(Self {
            data: Bytes::new(data),
            qr: qr.map(|svg| Bytes::new(svg.into_bytes())),
        })
    }
}

struct DocumentWorld {
    main: FileId,
    inputs: Inputs,
}

impl World for DocumentWorld {
    fn library(&self) -> &LazyHash<Library> {
        &LIBRARY
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &BOOK
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        [&COMMON, &INVOICE, &RECEIPT]
            .into_iter()
            .find(|source| source.id() == id)
            .map(|source| Source::clone(source))
            .ok_or(FileError::AccessDenied)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == *DATA {
            return Ok(self.inputs.data.clone());
        }
        match &self.inputs.qr {
            Some(qr) if id == *QR => Ok(qr.clone()),
            _ => Err(FileError::AccessDenied),
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        FONTS.get(index).cloned()
    }

    // The templates print the dates they are given; a clock here would make output differ.
    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}

/// Typesets a document into pages.
pub(crate) fn typeset(template: Template, inputs: Inputs) -> Result<PagedDocument, DocumentError> {
    let main = match template {
        Template::Invoice => INVOICE.id(),
        Template::Receipt => RECEIPT.id(),
    };
    let compiled = typst::compile::<PagedDocument>(&DocumentWorld { main, inputs });
    // Nobody's name, key or password stays in the typesetter's memory.
    comemo::evict(0);
    compiled.output.map_err(|errors| {
        let first = errors
            .first()
            .map_or_else(String::new, |error| error.message.to_string());
        DocumentError::Typesetting(first)
    })
}

/// Typesets a document and writes it as PDF.
pub(crate) fn render(template: Template, inputs: Inputs) -> Result<Vec<u8>, DocumentError> {
    let document = typeset(template, inputs)?;
    let pdf = typst_pdf::pdf(&document, &typst_pdf::PdfOptions::default());
    comemo::evict(0);
    pdf.map_err(|errors| {
        let first = errors
            .first()
            .map_or_else(String::new, |error| error.message.to_string());
        DocumentError::Typesetting(first)
    })
}
