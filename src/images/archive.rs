//! Archives: files as a tar stream, the same bytes for the same files.
//!
//! Owners and times are left out, because they differ from machine to machine
//! and mean nothing in an image. Next: `folder.rs` (a folder of the user's).

use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Writes named files. One that starts with `#!`, or is an ELF binary, may be run.
pub(crate) fn write_files(files: &[(String, Vec<u8>)], to: &mut dyn Write) -> io::Result<()> {
    let mut builder = tar::Builder::new(to);
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort();
    for (path, content) in sorted {
        let is_program = content.starts_with(b"#!") || content.starts_with(b"\x7fELF");
        let mode = if is_program { 0o755 } else { 0o644 };
        let mut header = header(tar::EntryType::Regular, mode, content.len() as u64);
        builder.append_data(&mut header, Path::new(path), content.as_slice())?;
    }
    builder.finish()
}

/// Writes the build of an image that holds nothing: for a container that never
/// runs, on an engine without any image.
///
/// # Errors
/// `to` takes no more.
pub fn write_nothing(to: &mut dyn Write) -> io::Result<()> {
    let dockerfile = b"FROM scratch\nCOPY Dockerfile /\n".to_vec();
    write_files(&[("Dockerfile".to_owned(), dockerfile)], to)
}

/// The header of an entry that is root's and of no time.
pub(crate) fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// SHA-256 of what is written to it.
#[derive(Default)]
pub(crate) struct Hash(Sha256);

impl Hash {
    pub(crate) fn hex(self) -> String {
        let bytes = self.0.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Takes in a text so that it cannot run together with the next one.
    pub(crate) fn part(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }
}

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a program runs without anything of the machine it was built on: an
/// ELF file that names no interpreter. Source: the ELF specification, `PT_INTERP` is 3.
pub fn is_static(program: &[u8]) -> bool {
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = program.get(at..at.checked_add(length)?)?;
        let value = bytes.iter().rev();
        Some(value.fold(0, |value, byte| value << 8 | usize::from(*byte)))
    };
    let names_interpreter = || -> Option<bool> {
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let mut kinds = (0..count).map(|entry| number(table.checked_add(entry * size)?, 4));
        Some(kinds.any(|kind| kind == Some(3)))
    };
    program.starts_with(b"\x7fELF\x02\x01") && names_interpreter() == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_archive_whatever_their_order() {
        let files = [
            ("b".to_owned(), b"2".to_vec()),
            ("a".to_owned(), b"#!/bin/sh".to_vec()),
        ];
        let turned = [files[1].clone(), files[0].clone()];
        let written = |files: &[(String, Vec<u8>)]| {
            let mut bytes = Vec::new();
            write_files(files, &mut bytes).unwrap();
            bytes
        };
        assert_eq!(written(&files), written(&turned));
    }

    #[test]
    fn texts_that_read_the_same_in_a_row_hash_differently() {
        let hash = |parts: &[&str]| {
            let mut hash = Hash::default();
            parts.iter().for_each(|part| hash.part(part));
            hash.hex()
        };
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    #[test]
    fn a_program_that_names_an_interpreter_is_not_static() {
        let mut program = b"\x7fELF\x02\x01".to_vec();
        program.resize(64, 0);
        program[32] = 64;
        program[54] = 56;
        program[56] = 1;
        program.resize(120, 0);
        assert!(is_static(&program), "it has one entry, which loads nothing");
        program[64] = 3;
        assert!(!is_static(&program), "its entry names an interpreter");
        assert!(!is_static(b"#!/bin/sh"), "a script is no static program");
    }
}
