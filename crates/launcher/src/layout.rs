//! Where things are: the checkout, the built binaries, the data folder.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The folders the launcher works with.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The root of the workspace.
    pub checkout: PathBuf,
    /// Everything `tabib run` keeps: databases, secrets, logs.
    pub data: PathBuf,
    /// Where the built binaries are.
    pub bin: PathBuf,
}

impl Layout {
    /// Finds the checkout (`TABIB_HOME`, else upwards from the current folder, else upwards from
    /// this program) and from it the data folder (`TABIB_DATA_DIR`, else `data/`).
    pub fn discover() -> Result<Self> {
        let checkout = find_checkout()?;
        let data = match std::env::var_os("TABIB_DATA_DIR") {
            Some(folder) => std::path::absolute(PathBuf::from(folder))
                .context("TABIB_DATA_DIR is not a usable path")?,
            None => reachable_folder(&checkout.join("data"), &checkout, "tabib")?,
        };
        let bin = find_bin(&checkout);
        Ok(Self {
            checkout,
            data,
            bin,
        })
    }

    /// The same checkout with another data folder.
    pub fn with_data(&self, data: PathBuf) -> Self {
        Self {
            data,
            ..self.clone()
        }
    }

    /// The path of a built binary, for example `tabib-gateway`.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Where the log of one process goes.
    pub fn log(&self, process: &str) -> PathBuf {
        self.data.join("logs").join(format!("{process}.log"))
    }

    /// Creates the data folder: others may pass through it (the database server of a root-owned
    /// checkout runs as another user) but not list it.
    pub fn create_data(&self) -> Result<()> {
        create_folder(&self.data, 0o711)?;
        create_folder(&self.data.join("logs"), 0o700)
    }
}

/// Creates a folder with exactly these permissions; an existing one must belong to us.
pub fn create_folder(path: &Path, mode: u32) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("cannot create the folder {}", path.display()))?;
    let found = std::fs::symlink_metadata(path)?;
    if found.file_type().is_symlink() || found.uid() != nix::unistd::geteuid().as_raw() {
        bail!(
            "{} belongs to somebody else or is a link; remove it or set TABIB_DATA_DIR",
            path.display()
        );
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Creates a folder that belongs to another user when `owner` (user and group id) names one.
pub fn create_folder_for(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> Result<()> {
    let Some((uid, gid)) = owner else {
        return create_folder(path, mode);
    };
    if !path.exists() {
        std::fs::DirBuilder::new()
            .mode(mode)
            .create(path)
            .with_context(|| format!("cannot create the folder {}", path.display()))?;
    }
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// `wanted`, unless we are root and the user `postgres` could not walk down to it: then a folder
/// under `/var/tmp` named after the checkout. PostgreSQL refuses to run as root, so it runs as
/// `postgres`, which must be able to traverse every folder above its data.
pub fn reachable_folder(wanted: &Path, checkout: &Path, prefix: &str) -> Result<PathBuf> {
    if !nix::unistd::geteuid().is_root() || others_can_traverse(wanted) {
        return Ok(wanted.to_owned());
    }
    let fallback = PathBuf::from("/var/tmp").join(format!("{prefix}-{}", fingerprint(checkout)));
    Ok(fallback)
}

/// Whether every existing folder above `path` lets other users pass through.
fn others_can_traverse(path: &Path) -> bool {
    path.ancestors()
        .skip(1)
        .filter_map(|folder| std::fs::metadata(folder).ok())
        .all(|meta| meta.mode() & 0o001 != 0)
}

/// A short stable name for a checkout (FNV-1a of its path): two checkouts must not share data.
pub fn fingerprint(checkout: &Path) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in checkout.as_os_str().as_encoded_bytes() {
        hash ^= u64::from(*byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

fn find_checkout() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("TABIB_HOME") {
        return Ok(PathBuf::from(home));
    }
    let here = std::env::current_dir().context("the current folder is gone")?;
    let program = std::env::current_exe().unwrap_or_default();
    here.ancestors()
        .chain(program.ancestors())
        .find(|folder| folder.join("crates/launcher/Cargo.toml").is_file())
        .map(Path::to_owned)
        .context("not inside a checkout of Tabib: cd into it, or set TABIB_HOME to its path")
}

fn find_bin(checkout: &Path) -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program
        .ancestors()
        .skip(1)
        .take(3)
        .find(|folder| folder.join("tabib").is_file())
        .map_or_else(
            || {
                let target = std::env::var_os("CARGO_TARGET_DIR")
                    .map_or_else(|| checkout.join("target"), PathBuf::from);
                target.join("debug")
            },
            Path::to_owned,
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_differ_by_checkout() {
        let one = fingerprint(Path::new("/srv/one"));
        assert_eq!(one.len(), 16);
        assert_ne!(one, fingerprint(Path::new("/srv/two")));
        assert_eq!(one, fingerprint(Path::new("/srv/one")));
    }

    #[test]
    fn a_folder_nobody_else_can_enter_is_not_traversable() {
        let top = std::env::temp_dir().join(format!("tabib-layout-{}", std::process::id()));
        create_folder(&top, 0o700).unwrap();
        assert!(!others_can_traverse(&top.join("data")));
        create_folder(&top, 0o711).unwrap();
        assert!(others_can_traverse(&top.join("data")));
        std::fs::remove_dir(&top).unwrap();
    }

    #[test]
    fn the_data_folder_moves_only_when_it_must() {
        let open = Path::new("/var/tmp/open/data");
        assert_eq!(
            reachable_folder(open, Path::new("/var/tmp/open"), "tabib").unwrap(),
            open
        );
    }
}
