//! How dates, sizes and people are written on pages. NHS number, dates and banner follow the
//! national rules for patient banners (ISB 1501, 1503, 1505).

mod allergies;
mod banner;
mod date;

pub(crate) use allergies::Allergies;
pub(crate) use banner::Banner;
pub(crate) use date::{clinical, clinical_date, day_of};

/// A size in the unit that reads best.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MB", bytes as f64 / 1_048_576.0),
    }
}

/// A format in words for people.
pub(crate) fn format_words(mime: &str) -> &str {
    match mime {
        "application/pdf" => "PDF",
        "application/fhir+json" | "application/fhir+xml" => "FHIR document",
        "text/xml" | "application/xml" | "application/hl7-v3+xml" => "Structured document (XML)",
        "text/plain" => "Plain text",
        "text/html" => "Web page",
        "text/rtf" | "application/rtf" => "Rich text (RTF)",
        "image/jpeg" => "Picture (JPEG)",
        "image/png" => "Picture (PNG)",
        "image/gif" => "Picture (GIF)",
        "image/tiff" => "Picture (TIFF)",
        "application/msword"
        | "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => {
            "Word document"
        }
        "application/octet-stream" => "File of unknown format",
        other => other,
    }
}

/// `1 source`, `2 sources`.
pub(crate) fn counted(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}
