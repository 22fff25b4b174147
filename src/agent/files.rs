//! Files as the kubelet writes those of a Secret's volume: all of them change at once.
//!
//! They stand in a folder that is named by time; `..data` points at it, and what the application opens
//! points through `..data`. A change makes a new folder and renames a new `..data` over the old one, so
//! that nobody ever sees old and new values together, or a part of one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use zeroize::Zeroizing;

use crate::secret::SecretBytes;

const DATA: &str = "..data";
const NEXT_DATA: &str = "..data_tmp";

/// A file that is wanted.
#[derive(Debug)]
pub(super) struct File<'a> {
    /// Its mode.
    pub(super) mode: u32,
    /// What it holds.
    pub(super) value: &'a SecretBytes,
}

/// Whether `folder` has values.
#[must_use]
pub fn is_written(folder: &Path) -> bool {
    folder.join(DATA).is_dir()
}

/// Makes the files of `folder` those that are `wanted`, by path below it; answers whether that changed
/// anything.
pub(super) fn write(folder: &Path, wanted: &BTreeMap<String, File<'_>>) -> io::Result<bool> {
    if is_written(folder) && is_current(&folder.join(DATA), wanted)? {
        link(folder, wanted)?;
        return Ok(false);
    }
    let stamp = format!(
        "..{}.{:08x}",
        jiff::Zoned::now().strftime("%Y_%m_%d_%H_%M_%S"),
        rand::random::<u32>()
    );
    let made = fill(&folder.join(&stamp), wanted).and_then(|()| {
        let next = folder.join(NEXT_DATA);
        remove_if_there(&next)?;
        symlink(&stamp, &next)?;
        fs::rename(&next, folder.join(DATA))
    });
    if let Err(error) = made {
        // What is not pointed at only takes room.
        fs::remove_dir_all(folder.join(&stamp)).ok();
        return Err(error);
    }
    link(folder, wanted)?;
    clear(folder, &stamp)?;
    Ok(true)
}

/// Whether the files below `data` are exactly those.
fn is_current(data: &Path, wanted: &BTreeMap<String, File<'_>>) -> io::Result<bool> {
    for (path, file) in wanted {
        let path = data.join(path);
        let Ok(mut opened) = fs::File::open(&path) else {
            return Ok(false);
        };
        if opened.metadata()?.permissions().mode() & 0o777 != file.mode & 0o777 {
            return Ok(false);
        }
        let mut present = Zeroizing::new(Vec::with_capacity(file.value.len() + 1));
        opened.read_to_end(&mut present)?;
        if *present != file.value.expose() {
            return Ok(false);
        }
    }
    Ok(count(data)? == wanted.len())
}

fn count(folder: &Path) -> io::Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() {
            count(&entry.path())?
        } else {
            1
        };
    }
    Ok(files)
}

/// Writes the files below a new folder.
fn fill(folder: &Path, wanted: &BTreeMap<String, File<'_>>) -> io::Result<()> {
    let mut folders = DirBuilder::new();
    folders.mode(0o755).recursive(true);
    folders.create(folder)?;
    for (path, file) in wanted {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            folders.create(parent)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut opened = options.open(&path)?;
        opened.write_all(file.value.expose())?;
        // Not left to the umask.
        opened.set_permissions(Permissions::from_mode(file.mode & 0o777))?;
    }
    Ok(())
}

/// The names that the application sees.
fn shown<'w>(wanted: &'w BTreeMap<String, File<'_>>) -> BTreeSet<&'w str> {
    let names = wanted.keys().map(|path| path.split('/').next());
    names.flatten().collect()
}

/// Makes links for new names and removes those of old ones.
fn link(folder: &Path, wanted: &BTreeMap<String, File<'_>>) -> io::Result<()> {
    let shown = shown(wanted);
    for name in &shown {
        let link = folder.join(name);
        let target = Path::new(DATA).join(name);
        if fs::read_link(&link).ok().as_deref() != Some(&target) {
            remove_if_there(&link)?;
            symlink(target, &link)?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !shown.contains(&*name) && entry.file_type()?.is_symlink() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes the folders of the past.
fn clear(folder: &Path, current: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_past = name.to_string_lossy().starts_with("..") && name != current;
        if is_past && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted<'a>(files: &[(&str, u32, &'a SecretBytes)]) -> BTreeMap<String, File<'a>> {
        let files = files.iter().map(|&(path, mode, value)| {
            let file = File { mode, value };
            (path.to_owned(), file)
        });
        files.collect()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("..")).collect();
        names.sort();
        names
    }

    fn folders(folder: &Path) -> usize {
        let entries = fs::read_dir(folder).unwrap();
        let is_dir = |entry: &fs::DirEntry| entry.file_type().unwrap().is_dir();
        entries
            .filter(|entry| is_dir(entry.as_ref().unwrap()))
            .count()
    }

    #[test]
    fn files_have_their_values_and_modes_and_change_together() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(!is_written(folder));
        let (one, two) = (SecretBytes::from("one"), SecretBytes::from("two"));
        let first = wanted(&[("a", 0o400, &one), ("d/b", 0o644, &one)]);
        assert!(write(folder, &first).unwrap());
        assert!(is_written(folder));
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"one");
        assert_eq!(fs::read(folder.join("d/b")).unwrap(), b"one");
        let mode = |path: &str| {
            fs::metadata(folder.join(path))
                .unwrap()
                .permissions()
                .mode()
        };
        assert_eq!(mode("a") & 0o777, 0o400);
        assert_eq!(mode("d/b") & 0o777, 0o644);
        let before = fs::read_link(folder.join(DATA)).unwrap();

        let held = fs::canonicalize(folder.join(DATA)).unwrap();
        let second = wanted(&[("a", 0o400, &two), ("c", 0o440, &two)]);
        assert!(write(folder, &second).unwrap());
        assert_ne!(fs::read_link(folder.join(DATA)).unwrap(), before);
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"two");
        assert_eq!(names(folder), ["a", "c"]);
        assert!(!held.exists(), "old values are removed");
        assert_eq!(folders(folder), 1);
    }

    #[test]
    fn nothing_is_touched_where_nothing_changed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let one = SecretBytes::from("one");
        assert!(write(folder, &wanted(&[("a", 0o400, &one)])).unwrap());
        let before = fs::read_link(folder.join(DATA)).unwrap();
        assert!(!write(folder, &wanted(&[("a", 0o400, &one)])).unwrap());
        assert_eq!(fs::read_link(folder.join(DATA)).unwrap(), before);
        assert!(
            write(folder, &wanted(&[("a", 0o440, &one)])).unwrap(),
            "a mode is a change"
        );
        assert!(
            write(folder, &wanted(&[])).unwrap(),
            "so is a file that goes"
        );
        assert_eq!(names(folder), Vec::<String>::new());
        assert!(is_written(folder));
    }

    #[test]
    fn what_a_crash_left_behind_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::create_dir(folder.join("..2020_01_01_00_00_00.12345678")).unwrap();
        symlink("nowhere", folder.join(NEXT_DATA)).unwrap();
        let one = SecretBytes::from("one");
        assert!(write(folder, &wanted(&[("a", 0o400, &one)])).unwrap());
        assert_eq!(folders(folder), 1);
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"one");
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_files() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let (one, two) = (SecretBytes::from("one"), SecretBytes::from("two"));
        assert!(write(folder, &wanted(&[("a", 0o400, &one)])).unwrap());
        // A path cannot be a file and a folder.
        let impossible = wanted(&[("a", 0o400, &two), ("a/b", 0o400, &two)]);
        assert!(write(folder, &impossible).is_err());
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"one");
        assert_eq!(folders(folder), 1);
    }
}
