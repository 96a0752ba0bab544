//! The QR code of the keys box.

use qrcode::{EcLevel, QrCode, render::svg};

use crate::DocumentError;

/// Draws the text as an SVG picture. Level Q: a folded, stained paper must still scan.
pub(crate) fn svg(text: &str) -> Result<String, DocumentError> {
    let code =
        QrCode::with_error_correction_level(text, EcLevel::Q).map_err(|_| DocumentError::QrCode)?;
    Ok(code
        .render::<svg::Color<'_>>()
        .dark_color(svg::Color("#1f2411"))
        .light_color(svg::Color("#ffffff"))
        .quiet_zone(true)
        .min_dimensions(240, 240)
        .build())
}
