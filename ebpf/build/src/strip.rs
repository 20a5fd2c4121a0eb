//! Making the object small enough to commit.

use anyhow::{Context, Result};
use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;

/// Takes the DWARF sections out. BTF was made from them by the linker and stays; the loader needs
/// nothing else of them, and they are nine tenths of the file.
pub fn strip_debug_information(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("the linker's output is not an ELF file")?;
    for section in &mut builder.sections {
        let name = section.name.as_slice();
        section.delete = [&b".debug_"[..], b".rel.debug_"]
            .iter()
            .any(|start| name.starts_with(start));
    }
    // LLVM keeps the names of sections and of symbols in one table; the writer wants two.
    let names = builder.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    builder.delete_orphans();
    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("cannot write the object without debug information")?;
    Ok(stripped)
}
