//! Trees as the kernel shows them, with a camera here and a camera there.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory with a sysfs and a /dev in it, gone when dropped.
struct Tree(PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const C270: (&str, &str) = ("046d", "0825");

impl Tree {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("outpost-nodes-{}-{count}", std::process::id()));
        fs::create_dir_all(root.join("sys/class/video4linux")).expect("a temporary directory");
        Self(root)
    }

    fn roots(&self) -> Roots {
        Roots { sys: self.0.join("sys"), proc: self.0.join("proc"), dev: self.0.join("dev") }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn link(&self, to: &str, path: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a directory");
        symlink(to, path).expect("a link");
    }

    /// A node below `parent` (a directory of /sys/devices).
    fn node(&self, parent: &str, number: u32, index: u32) {
        let directory = format!("devices/{parent}/video4linux/video{number}");
        self.write(&format!("sys/{directory}/index"), &format!("{index}\n"));
        self.link(&format!("../../{directory}"), &format!("sys/class/video4linux/video{number}"));
    }

    /// A USB camera: its interfaces, each with the numbers of its nodes.
    fn usb(&self, port: &str, model: (&str, &str), serial: Option<&str>, interfaces: &[(u32, &[u32])]) {
        let device = format!("platform/soc/usb1/1-1/{port}");
        if !self.0.join("sys/devices/platform/soc/subsystem").is_symlink() {
            self.link("../../../bus/platform", "sys/devices/platform/soc/subsystem");
        }
        self.write("sys/devices/platform/soc/usb1/1-1/idVendor", "2109\n"); // the hub above
        self.write("sys/devices/platform/soc/usb1/1-1/idProduct", "3431\n");
        self.write(&format!("sys/devices/{device}/idVendor"), &format!("{}\n", model.0));
        self.write(&format!("sys/devices/{device}/idProduct"), &format!("{}\n", model.1));
        if let Some(serial) = serial {
            self.write(&format!("sys/devices/{device}/serial"), &format!("{serial}\n"));
        }
        for (interface, numbers) in interfaces {
            for (index, number) in (0..).zip(*numbers) {
                self.node(&format!("{device}/{port}:1.{interface}"), *number, index);
            }
        }
    }

    fn platform(&self, name: &str, numbers: &[u32]) {
        self.link("../../../../bus/platform", &format!("sys/devices/platform/soc/{name}/subsystem"));
        for (index, number) in (0..).zip(numbers) {
            self.node(&format!("platform/soc/{name}"), *number, index);
        }
    }

    fn find(&self, id: &str) -> Result<Vec<PathBuf>, Trouble> {
        find(&id.parse().expect("a camera's name"), &self.roots())
    }

    fn numbers(&self, id: &str) -> Vec<String> {
        let paths = self.find(id).unwrap_or_else(|trouble| panic!("{id}: {trouble:?}"));
        let name = |path: &PathBuf| path.file_name().expect("a node").to_string_lossy().into_owned();
        paths.iter().map(name).collect()
    }
}

#[test]
fn a_camera_is_found_whatever_its_numbers() {
    for numbers in [[0, 1], [1, 0], [7, 20]] {
        let tree = Tree::new();
        tree.platform("bcm2835-codec", &[10, 11, 12]);
        tree.usb("1-1.3", C270, Some("A7"), &[(0, &numbers)]);
        let expected = numbers.map(|number| format!("video{number}"));
        for id in ["usb:1-1.3", "usb:046d:0825", "usb:046D:0825:A7"] {
            assert_eq!(tree.numbers(id), expected, "{id}");
        }
        assert_eq!(tree.numbers("usb:1-1.3,1"), expected[1..]);
        assert_eq!(tree.numbers("platform:bcm2835-codec,2"), ["video12"]);
    }
}

#[test]
fn a_second_interface_comes_after_the_first_whoever_was_found_first() {
    let tree = Tree::new();
    tree.usb("1-1.3", C270, None, &[(0, &[4, 5]), (2, &[0, 1])]);
    assert_eq!(tree.numbers("usb:1-1.3"), ["video4", "video5", "video0", "video1"]);
    assert_eq!(tree.numbers("usb:1-1.3,2"), ["video0"]);
    let trouble = tree.find("usb:1-1.3,4").expect_err("no fifth node");
    assert_eq!(trouble.problem, "it is there, but has only the nodes 0 to 3");
}

#[test]
fn two_alike_are_told_apart_by_port_or_serial_and_never_guessed() {
    let tree = Tree::new();
    tree.usb("1-1.3", C270, Some("A7"), &[(0, &[0, 1])]);
    tree.usb("1-1.4", C270, None, &[(0, &[2, 3])]);
    assert_eq!(tree.numbers("usb:1-1.4"), ["video2", "video3"]);
    assert_eq!(tree.numbers("usb:046d:0825:A7"), ["video0", "video1"]);
    let trouble = tree.find("usb:046d:0825").expect_err("two answer");
    assert_eq!(trouble.signal, Signal::Failed);
    assert_eq!(trouble.problem, "several cameras answer to it, at usb:1-1.3 and usb:1-1.4");
}

#[test]
fn what_is_not_there_says_what_is() {
    let tree = Tree::new();
    tree.usb("1-1.3", C270, None, &[(0, &[0, 1])]);
    tree.platform("fe801000.csi", &[2]);
    let table = [
        ("usb:1-1", "there is only usb:1-1.3"),
        ("usb:2109:3431", "there is only usb:1-1.3"), // the hub above
        ("usb:046d:0825:A7", "there is only usb:1-1.3"),
        ("platform:vivid.0", "there is only platform:fe801000.csi"),
        // The USB controller's own place is no camera.
        ("platform:soc", "there is only platform:fe801000.csi"),
    ];
    for (id, there) in table {
        let trouble = tree.find(id).expect_err(id);
        assert_eq!(trouble.signal, Signal::NoDevice, "{id}");
        assert!(trouble.problem.contains(there), "{id}: {}", trouble.problem);
    }
    let nowhere = Roots { sys: "/nonexistent".into(), proc: "/nonexistent".into(), dev: "/dev".into() };
    let trouble = find(&"usb:1-1.3".parse().expect("a port"), &nowhere).expect_err("no sysfs");
    assert!(trouble.problem.contains("nothing of its kind"), "{}", trouble.problem);
}

#[test]
fn each_node_has_a_name_that_survives_a_boot() {
    let tree = Tree::new();
    tree.usb("1-1.3", C270, None, &[(0, &[0, 1])]);
    tree.platform("vivid.0", &[2, 3]);
    tree.node("virtual", 9, 0); // v4l2loopback
    tree.node("pci0000:00/0000:00:1c.0", 20, 0);
    tree.link("../../video20", "dev/v4l/by-path/pci-0000:00:1c.0-video-index0");
    let roots = tree.roots();
    let all = nodes(&roots);
    let by_path = tree.0.join("dev/v4l/by-path/pci-0000:00:1c.0-video-index0").display().to_string();
    let node = tree.0.join("dev/video9").display().to_string();
    let table = [
        (0, true, None, "usb:1-1.3"),
        (1, false, None, "usb:1-1.3,1"),
        (2, true, None, "platform:vivid.0"),
        (3, false, Some("vivid"), "platform:vivid.0,1"),
        (9, true, Some("Pole"), "card:Pole"),
        (9, true, Some("a\nb"), &node),
        (9, true, None, &node),
        (20, true, Some("tuner"), &by_path),
    ];
    for (number, first, card, id) in table {
        let node = all.iter().find(|node| node.number == number).expect("a node");
        assert_eq!(stable_id(node, first, card, &roots).to_string(), id);
    }
    let models: Vec<_> = all.iter().map(|node| model_id(node, true).map(String::from)).collect();
    assert_eq!(models[0].as_deref(), Some("usb:046d:0825"));
    assert_eq!(models[2..], [None, None, None, None]);
    assert!(same_home(&all[0], &all[1]) && !same_home(&all[1], &all[2]) && !same_home(&all[4], &all[5]));
}
