//! A file system as a power cut leaves it: what was synced is there, and of the rest nothing, or whatever the draw says.
//!
//! A file's bytes are durable as they were when the file was last synced, a name as it was when the directory that
//! holds it was. Syncing a file says nothing of its names, and syncing a directory nothing of the bytes of its files.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use super::recorder::Step;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Node {
    Directory(usize),
    File(usize),
}

/// What can be seen, and what would still be there.
#[derive(Clone, Debug, Default)]
struct Directory {
    seen: BTreeMap<OsString, Node>,
    durable: BTreeMap<OsString, Node>,
}

#[derive(Clone, Debug, Default)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

/// The state of the file system after some steps.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// The first is the folder in which the store's root lies.
    directories: Vec<Directory>,
    files: Vec<File>,
}

/// What of the changes that were not synced a power cut leaves.
pub(super) enum Left<'a> {
    Nothing,
    /// Each changed name and each changed file as this draws, with a number below its argument.
    Some(&'a mut dyn FnMut(usize) -> usize),
}

impl Machine {
    pub(super) fn new() -> Self {
        Self {
            directories: vec![Directory::default()],
            files: Vec::new(),
        }
    }

    pub(super) fn take<T>(&mut self, step: &Step<T>) {
        match step {
            Step::MakeDirectory(path) => {
                self.directories.push(Directory::default());
                let node = Node::Directory(self.directories.len() - 1);
                self.name(path, Some(node));
            }
            Step::MakeFile(path) => {
                self.files.push(File::default());
                let node = Node::File(self.files.len() - 1);
                self.name(path, Some(node));
            }
            Step::Write(path, bytes) => self.file(path).seen.extend(bytes),
            Step::SyncFile(path) => {
                let file = self.file(path);
                file.durable.clone_from(&file.seen);
            }
            Step::SyncDirectory(path) => {
                let directory = self.directory(path);
                let directory = &mut self.directories[directory];
                directory.durable.clone_from(&directory.seen);
            }
            Step::Link(from, to) => {
                let node = self.find(from);
                self.name(to, Some(node));
            }
            Step::Rename(from, to) => {
                let node = self.find(from);
                self.name(from, None);
                self.name(to, Some(node));
            }
            Step::RemoveFile(path) | Step::RemoveDirectory(path) => self.name(path, None),
            Step::Told(_) => {}
        }
    }

    fn find(&self, path: &Path) -> Node {
        let mut node = Node::Directory(0);
        for part in path {
            let Node::Directory(directory) = node else {
                panic!("{} leads through a file", path.display());
            };
            node = self.directories[directory].seen[part];
        }
        node
    }

    fn directory(&self, path: &Path) -> usize {
        match self.find(path) {
            Node::Directory(directory) => directory,
            Node::File(_) => panic!("{} is a file", path.display()),
        }
    }

    fn file(&mut self, path: &Path) -> &mut File {
        match self.find(path) {
            Node::File(file) => &mut self.files[file],
            Node::Directory(_) => panic!("{} is a directory", path.display()),
        }
    }

    fn name(&mut self, path: &Path, node: Option<Node>) {
        let directory = self.directory(path.parent().unwrap());
        let name = path.file_name().unwrap().to_owned();
        let seen = &mut self.directories[directory].seen;
        match node {
            Some(node) => drop(seen.insert(name, node)),
            None => drop(seen.remove(&name)),
        }
    }

    /// Makes in `folder` what is there after a power cut.
    pub(super) fn cut(&self, folder: &Path, mut left: Left<'_>) {
        let mut bytes = BTreeMap::new();
        self.make(0, folder, &mut left, &mut bytes);
    }

    fn make(
        &self,
        directory: usize,
        folder: &Path,
        left: &mut Left<'_>,
        bytes: &mut BTreeMap<usize, Vec<u8>>,
    ) {
        let Directory { seen, durable } = &self.directories[directory];
        let mut names = durable.clone();
        if let Left::Some(draw) = left {
            for name in seen.keys().chain(durable.keys()) {
                if seen.get(name) != durable.get(name) && draw(2) == 0 {
                    match seen.get(name) {
                        Some(node) => drop(names.insert(name.clone(), *node)),
                        None => drop(names.remove(name)),
                    }
                }
            }
        }
        for (name, node) in names {
            let path = folder.join(name);
            match node {
                Node::Directory(below) => {
                    fs::create_dir(&path).unwrap();
                    self.make(below, &path, left, bytes);
                }
                // A file has the same bytes under each of its names.
                Node::File(file) => {
                    let content = bytes
                        .entry(file)
                        .or_insert_with(|| self.content(file, left));
                    fs::write(path, content).unwrap();
                }
            }
        }
    }

    fn content(&self, file: usize, left: &mut Left<'_>) -> Vec<u8> {
        let File { seen, durable } = &self.files[file];
        match left {
            Left::Some(draw) if seen != durable => match draw(4) {
                0 => durable.clone(),
                1 => seen.clone(),
                2 => vec![0; seen.len()],
                _ => seen[..draw(seen.len() + 1)].to_vec(),
            },
            Left::Some(_) | Left::Nothing => durable.clone(),
        }
    }

    /// What is durable, to tell whether a step has changed anything.
    pub(super) fn durable(&self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        self.collect(0, String::new(), &mut found);
        found
    }

    fn collect(&self, directory: usize, path: String, found: &mut Vec<(String, usize)>) {
        for (name, node) in &self.directories[directory].durable {
            let path = format!("{path}/{}", name.display());
            match node {
                Node::Directory(below) => {
                    found.push((path.clone(), 0));
                    self.collect(*below, path, found);
                }
                Node::File(file) => found.push((path, self.files[*file].durable.len())),
            }
        }
    }
}

#[test]
fn only_what_was_synced_outlasts_a_power_cut() {
    let mut machine = Machine::new();
    let path = |text: &str| std::path::PathBuf::from(text);
    let steps: [Step<()>; 8] = [
        Step::MakeDirectory(path("d")),
        Step::SyncDirectory(path("")),
        Step::MakeFile(path("d/a")),
        Step::Write(path("d/a"), b"one".to_vec()),
        Step::SyncFile(path("d/a")),
        Step::SyncDirectory(path("d")),
        Step::Write(path("d/a"), b"two".to_vec()),
        Step::Link(path("d/a"), path("d/b")),
    ];
    for step in &steps {
        machine.take(step);
    }
    let folder = tempfile::tempdir().unwrap();
    machine.cut(folder.path(), Left::Nothing);
    assert_eq!(fs::read(folder.path().join("d/a")).unwrap(), b"one");
    assert!(!folder.path().join("d/b").exists());
    let other = tempfile::tempdir().unwrap();
    machine.cut(other.path(), Left::Some(&mut |_| 0));
    assert_eq!(fs::read(other.path().join("d/b")).unwrap(), b"one");
}
