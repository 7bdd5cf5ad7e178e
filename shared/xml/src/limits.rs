/// How much XML is read before it is refused. Every count is checked while reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of the whole text.
    pub max_bytes: u64,
    /// Elements open at one time.
    pub max_depth: usize,
    /// Attributes of one element, namespace declarations included.
    pub max_attributes: usize,
    /// Bytes of one opening tag.
    pub max_tag_bytes: usize,
    /// Namespace declarations in scope.
    pub max_namespaces: usize,
    /// Elements of the whole text.
    pub max_elements: u64,
    /// Bytes of one text.
    pub max_text_bytes: usize,
    /// Whether a prefix that nothing declares puts an element or attribute into a namespace of its
    /// own (`urn:undeclared:` and the prefix), instead of being an error. Some real documents forget
    /// `xmlns:xsi`, so that one means what it always means.
    pub lenient_prefixes: bool,
}

impl Limits {
    /// For messages: envelopes and metadata.
    pub const fn metadata() -> Self {
        Self {
            max_bytes: 16 << 20,
            max_depth: 128,
            max_attributes: 64,
            max_tag_bytes: 64 << 10,
            max_namespaces: 32,
            max_elements: 1_000_000,
            max_text_bytes: 16 << 20,
            lenient_prefixes: false,
        }
    }

    /// For answers of peers that were asked: a person can have thousands of entries.
    pub const fn answer() -> Self {
        Self {
            max_bytes: 256 << 20,
            max_elements: 20_000_000,
            max_text_bytes: 256 << 20,
            ..Self::metadata()
        }
    }

    /// For clinical documents.
    pub const fn document() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_namespaces: 64,
            max_text_bytes: 64 << 20,
            ..Self::metadata()
        }
    }

    /// The same, lenient with prefixes that nothing declares.
    #[must_use]
    pub const fn lenient(self) -> Self {
        Self { lenient_prefixes: true, ..self }
    }
}
