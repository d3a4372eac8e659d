//! A registry on disk: `index.json`, and archives below `packages/`.
//!
//! An archive stands at `packages/G/N/V/G-N-vV.zip`; `packages/G/N/G-N-vV.zip`, as older registries have
//! it, is read too. Whoever writes holds a lock on `index.lock`, so that several programs may add
//! packages at once; readers need none, since the index is replaced in one step.

use std::path::{Path, PathBuf};

use packhouse_core::apl::{
    Config, Filter, Index, IndexError, PackageId, Packed, Selection, repack, select,
};
use packhouse_core::limits::Limits;
use serde_json::Value;

use super::{AplError, AplResult, Form, read, write};

const INDEX: &str = "index.json";
const LOCK: &str = "index.lock";
const PACKAGES: &str = "packages";
/// The largest index that is read, in bytes.
const INDEX_BYTES: u64 = 64 << 20;
/// The most archives that an index is built from.
const ARCHIVES: usize = 100_000;

pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The registry in `root`; an empty or missing folder becomes one.
    pub(super) fn create(root: &Path) -> AplResult<Self> {
        if let Ok(folder) = Self::open(root) {
            return Ok(folder);
        }
        fs_err::create_dir_all(root)?;
        if fs_err::read_dir(root)?.next().is_some() {
            return Err(AplError::NotEmpty(root.to_owned()));
        }
        fs_err::create_dir(root.join(PACKAGES))?;
        let folder = Self { root: root.to_owned() };
        folder.store(&Index::default())?;
        Ok(folder)
    }

    pub(super) fn open(root: &Path) -> AplResult<Self> {
        if root.join(PACKAGES).is_dir() {
            Ok(Self { root: root.to_owned() })
        } else {
            Err(AplError::NoRegistry(root.to_owned()))
        }
    }

    fn index_path(&self) -> PathBuf {
        self.root.join(INDEX)
    }

    fn index(&self) -> AplResult<Index> {
        let path = self.index_path();
        if !path.try_exists()? {
            return Err(AplError::NoIndex(self.root.clone()));
        }
        let text = read(&path, INDEX_BYTES)?;
        Index::parse(&text).map_err(|error| AplError::Index { path, error })
    }

    fn store(&self, index: &Index) -> AplResult<()> {
        write(&self.index_path(), index.to_text().as_bytes())
    }

    /// The lock of those who write; given back when the file is closed.
    fn lock(&self) -> AplResult<std::fs::File> {
        let path = self.root.join(LOCK);
        let file =
            fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        let file = file.into_file();
        file.lock()?;
        Ok(file)
    }

    pub(super) fn create_index(&self, force: bool) -> AplResult<()> {
        let _lock = self.lock()?;
        if !force && self.index_path().try_exists()? {
            return Ok(());
        }
        let mut configs = Vec::new();
        for path in self.archives()? {
            configs.push(contents(&path)?.config);
        }
        configs.sort_by(|a, b| a.id.cmp(&b.id));
        // The same version in both layouts is one package.
        configs.dedup_by(|a, b| a.id == b.id);
        let mut index = Index::default();
        let path = self.index_path();
        for config in configs {
            index.add(config).map_err(|error| AplError::Index { path: path.clone(), error })?;
        }
        self.store(&index)
    }

    /// All archives, of both layouts. Links are not followed.
    fn archives(&self) -> AplResult<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut folders = vec![(self.root.join(PACKAGES), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in fs_err::read_dir(&folder)? {
                let entry = entry?;
                let (kind, path) = (entry.file_type()?, entry.path());
                if kind.is_dir() && depth < 3 {
                    folders.push((path, depth + 1));
                } else if kind.is_file()
                    && depth >= 2
                    && path.extension().is_some_and(|e| e == "zip")
                {
                    found.push(path);
                }
            }
            if found.len() > ARCHIVES {
                return Err(AplError::Many(self.root.clone(), ARCHIVES));
            }
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn list(&self, filter: &Filter) -> AplResult<Vec<Config>> {
        Ok(self.index()?.list(filter).cloned().collect())
    }

    /// Where archives of a package's versions stand, and the path of one.
    fn place(&self, id: &PackageId) -> (PathBuf, PathBuf) {
        let name = self.root.join(PACKAGES).join(id.project.group()).join(id.project.name());
        let folder = name.join(id.version.key());
        (name, folder.join(id.file_name()))
    }

    pub(super) fn add(&self, packed: &Packed) -> AplResult<()> {
        let id = &packed.config.id;
        let _lock = self.lock()?;
        let mut index = self.index()?;
        match index.add(packed.config.clone()) {
            Ok(()) => {}
            Err(IndexError::Exists(id)) => return Err(AplError::Exists(id)),
            Err(error) => return Err(AplError::Index { path: self.index_path(), error }),
        }
        // An archive without its line in the index is what a crash leaves: the same one goes on.
        if let Ok(path) = self.get(id) {
            if read(&path, Limits::default().archive_bytes)? != packed.archive.bytes {
                return Err(AplError::Exists(Box::new(id.clone())));
            }
            return self.store(&index);
        }
        let (_, path) = self.place(id);
        let folder = path.parent().unwrap_or(&self.root);
        fs_err::create_dir_all(folder)?;
        write(&path, &packed.archive.bytes)?;
        self.store(&index).inspect_err(|_| {
            // Nothing half done stays behind.
            let _ = std::fs::remove_file(&path);
        })
    }

    pub(super) fn get(&self, id: &PackageId) -> AplResult<PathBuf> {
        let (name, path) = self.place(id);
        [path, name.join(id.file_name())]
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| AplError::Missing(Box::new(id.clone())))
    }

    pub(super) fn tree(
        &self,
        configs: &[Config],
        selection: Selection,
        form: Form,
    ) -> AplResult<Value> {
        let index = self.index()?;
        let tree = select(&index, configs, selection)?;
        Ok(match form {
            Form::Nested => tree.nested()?,
            Form::Flat => tree.flat(),
        })
    }
}

fn contents(path: &Path) -> AplResult<Packed> {
    let limits = Limits::default();
    let bytes = read(path, limits.archive_bytes)?;
    repack(&bytes, &limits).map_err(|error| AplError::Contents(path.to_owned(), Box::new(error)))
}

#[cfg(test)]
mod tests {
    use packhouse_core::archive::pack;
    use packhouse_core::tree::Tree;

    use super::super::{Access, Registry};
    use super::*;

    /// A zip of `id`, which needs `needs`.
    fn zip(folder: &Path, id: &str, needs: &str) -> PathBuf {
        let id: PackageId = id.parse().unwrap();
        let needs: Vec<&str> = needs.split_whitespace().collect();
        let config = serde_json::json!({"group": id.project.group(), "name": id.project.name(),
            "version": id.version.text(), "dependencies": needs});
        let mut tree = Tree::default();
        tree.insert("apl-project.json".parse().unwrap(), config.to_string().as_bytes(), false);
        let path = folder.join(id.file_name());
        std::fs::write(&path, pack(&tree).unwrap().bytes).unwrap();
        path
    }

    fn uri(folder: &Path) -> String {
        format!("file://{}", folder.display())
    }

    fn new(folder: &Path) -> Registry {
        Registry::new("local", &uri(folder), Access::default()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_registry_of_150_packages_is_made_indexed_and_listed() {
        let folder = tempfile::tempdir().unwrap();
        let (root, zips) = (folder.path().join("a registry"), folder.path().join("zips"));
        std::fs::create_dir(&zips).unwrap();
        let address = uri(&root).replace(' ', "%20");
        let registry = Registry::new("local", &address, Access::default()).unwrap();
        for nth in 0..150 {
            let id = format!("group{}-{}{nth}-v1.{nth}.0", nth % 3, "a".repeat(60));
            registry.add_package(&zip(&zips, &id, "")).unwrap();
        }
        let before = std::fs::read_to_string(root.join(INDEX)).unwrap();
        std::fs::remove_file(root.join(INDEX)).unwrap();
        assert_eq!(registry.list_packages(None, None, None).unwrap_err().rc(), 3);
        registry.create_index(false).unwrap();
        let sorted = |text: &str| {
            let mut lines: Vec<String> =
                text.lines().map(|l| l.trim_end_matches(',').to_owned()).collect();
            lines.sort();
            lines
        };
        let after = std::fs::read_to_string(root.join(INDEX)).unwrap();
        assert_eq!(sorted(&after), sorted(&before));
        let start = std::time::Instant::now();
        let count = |group: &str, name: &str, version: &str| {
            registry.list_packages(Some(group), Some(name), Some(version)).unwrap().len()
        };
        assert_eq!(
            (count("", "", ""), count("^group1$", "", ""), count("1", "7$", "^1\\.1")),
            (150, 50, 1)
        );
        for hostile in ["(a+)+$", "(a|aa)+$", "^(a*)*b$", "(.*a){25}c"] {
            assert_eq!(count("", hostile, ""), 0, "{hostile}");
        }
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
        let error = registry.list_packages(Some("("), None, None).unwrap_err();
        assert!(error.rc() != 0 && error.to_string().contains("unclosed group"));
    }

    #[test]
    fn packages_are_added_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("registry");
        let registry = new(&root);
        let hub = zip(folder.path(), "t-hub-v1.0.0", "");
        let app = zip(folder.path(), "t-app-v0.1.0", "t-hub-v1.0.0@H");
        let id = registry.add_package(&hub).unwrap();
        registry.add_package(&app).unwrap();
        let found = registry.get_package(&id, folder.path()).unwrap();
        assert_eq!(found, root.join("packages/t/hub/1.0.0/t-hub-v1.0.0.zip"));
        let error = registry.add_package(&hub).unwrap_err();
        assert_eq!(
            (error.rc(), error.to_string()),
            (5, "`t-hub-v1.0.0` is there already: raise `version`".to_owned())
        );
        let asked = [registry.config(&"t-app-0.1.0".parse().unwrap()).unwrap()];
        let tree = registry.dependency_tree(&asked, Selection::Exact, Form::Nested).unwrap();
        assert_eq!(tree[0]["dependencies"][0]["name"], "hub");
        let flat = registry.dependency_tree(&asked, Selection::Mvs, Form::Flat).unwrap();
        assert_eq!(flat[0]["id"], "t-hub-v1.0.0");
        assert_eq!(names(&root), [INDEX, LOCK, PACKAGES]);
        let lost =
            registry.get_package(&"t-hub-v2.0.0".parse().unwrap(), folder.path()).unwrap_err();
        assert_eq!(lost.rc(), 3);
    }

    #[test]
    fn both_layouts_are_read_and_a_broken_archive_leaves_the_index_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("registry");
        let registry = new(&root);
        let old = root.join("packages/t/old");
        std::fs::create_dir_all(&old).unwrap();
        std::fs::rename(zip(folder.path(), "t-old-v1.0.0", ""), old.join("t-old-v1.0.0.zip"))
            .unwrap();
        registry.create_index(false).unwrap();
        assert!(
            registry.list_packages(None, None, None).unwrap().is_empty(),
            "left alone without force"
        );
        registry.create_index(true).unwrap();
        assert_eq!(registry.list_packages(None, None, None).unwrap().len(), 1);
        let id = "t-old-v1.0.0".parse().unwrap();
        assert_eq!(registry.get_package(&id, folder.path()).unwrap(), old.join("t-old-v1.0.0.zip"));
        std::fs::write(old.join("t-old-v2.0.0.zip"), "no zip").unwrap();
        let before = std::fs::read(root.join(INDEX)).unwrap();
        let error = registry.create_index(true).unwrap_err();
        assert!(error.rc() == 2 && error.to_string().contains("t-old-v2.0.0.zip: "), "{error}");
        assert_eq!(std::fs::read(root.join(INDEX)).unwrap(), before);
        assert_eq!(names(&root), [INDEX, LOCK, PACKAGES]);
    }

    #[test]
    fn what_is_no_registry_is_refused_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("x"), "x").unwrap();
        let refused =
            |kind: &str| Registry::new(kind, &uri(&other), Access::default()).err().unwrap();
        assert!(refused("local").to_string().contains("is not empty"));
        assert!(refused("remote").to_string().contains("write `local`"));
        assert!(Registry::open(&uri(&other), Access::default()).is_err_and(|e| e.rc() == 3));
        assert_eq!(names(&other), ["x"]);
        let root = folder.path().join("registry");
        let registry = new(&root);
        let broken = folder.path().join("broken.zip");
        std::fs::write(&broken, "PK").unwrap();
        assert_eq!(registry.add_package(&broken).unwrap_err().rc(), 2);
        assert!(names(&root.join(PACKAGES)).is_empty());
        std::fs::write(root.join(INDEX), "[1").unwrap();
        let error = registry.list_packages(None, None, None).unwrap_err();
        assert!(
            error.to_string().contains("index.json: ") && error.to_string().contains("line 1"),
            "{error}"
        );
    }

    #[test]
    fn many_programs_add_at_once_and_no_line_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("registry");
        new(&root);
        let zips: Vec<_> =
            (0..16).map(|n| zip(folder.path(), &format!("t-p{n}-v1.0.0"), "")).collect();
        std::thread::scope(|scope| {
            for zip in &zips {
                scope.spawn(|| {
                    Registry::open(&uri(&root), Access::default())
                        .unwrap()
                        .add_package(zip)
                        .unwrap()
                });
            }
        });
        let registry = Registry::open(&uri(&root), Access::default()).unwrap();
        assert_eq!(registry.list_packages(None, None, None).unwrap().len(), 16);
    }
}
