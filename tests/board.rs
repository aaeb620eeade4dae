//! `board/flash.sh` with plain files for cards, and what it takes for disks made up.

#[allow(dead_code)]
#[path = "support/tool.rs"]
mod tool;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tool::{Scratch, text};

/// Whole blocks of 4 MiB and a piece.
const IMAGE: usize = 9 * 1024 * 1024 + 512;
const CARD: usize = 16 * 1024 * 1024;

/// A computer with one disk, and an image to write to it.
struct Computer {
    place: Scratch,
    image: PathBuf,
    device: PathBuf,
}

impl Computer {
    fn new(name: &str) -> Self {
        let place = Scratch::new(&format!("flash-{name}"));
        let (image, device) = (place.file("card.img"), place.file("sdx"));
        let mut bytes: Vec<u8> = (0..IMAGE).map(|at| (at / 512 + at * 7) as u8).collect();
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        fs::write(&image, bytes).expect("an image");
        fs::write(&device, vec![0xff; CARD]).expect("a card");
        let computer = Self { place, image, device };
        computer.disk("sdx");
        computer.write("proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
        computer.write("proc/swaps", "Filename Type Size Used Priority\n");
        computer
    }

    /// Makes a removable disk known.
    fn disk(&self, name: &str) {
        let told = [
            ("removable", "1\n".to_owned()),
            ("ro", "0\n".to_owned()),
            ("dev", "8:16\n".to_owned()),
            ("size", format!("{}\n", CARD / 512)),
        ];
        for (file, text) in told {
            self.write(&format!("sys/class/block/{name}/{file}"), &text);
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.place.file("root").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn flash(&self, options: &[&str], image: &Path, device: &Path) -> Result<String, String> {
        self.flash_by(&std::env::var("PATH").expect("a path"), options, image, device)
    }

    /// The same with programs from this path.
    fn flash_by(&self, path: &str, options: &[&str], image: &Path, device: &Path) -> Result<String, String> {
        let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("board/flash.sh"))
            .args(options)
            .args([image, device])
            .env("OUTPOST_FLASH_ROOT", self.place.file("root"))
            .env("PATH", path)
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::null())
            .output()
            .expect("a script of the repository");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(said) } else { Err(said) }
    }

    /// It is refused with these words, and the card is as it was.
    #[track_caller]
    fn refused(&self, image: &Path, device: &Path, words: &str) {
        let said = self.flash(&[], image, device).expect_err("this must not be written");
        assert!(said.contains(words), "{said}");
        let card = fs::read(&self.device).expect("the card");
        assert!(card.len() == CARD && card.iter().all(|it| *it == 0xff), "something was written: {said}");
    }
}

#[test]
fn an_image_is_written_and_read_back_packed_or_not() {
    let computer = Computer::new("written");
    let wanted = fs::read(&computer.image).expect("the image");
    tool::run("xz", &["--keep", text(&computer.image)]);
    tool::run("zstd", &["--quiet", text(&computer.image)]);
    for name in ["card.img", "card.img.xz", "card.img.zst"] {
        fs::write(&computer.device, vec![0xff; CARD]).expect("a card");
        let said = computer
            .flash(&[], &computer.place.file(name), &computer.device)
            .unwrap_or_else(|said| panic!("{name}: {said}"));
        assert!(said.contains("read back without an error"), "{said}");
        let card = fs::read(&computer.device).expect("the card");
        assert!(card[..IMAGE] == wanted && card[IMAGE..].iter().all(|it| *it == 0xff), "{name}");
    }
}

#[test]
fn a_disk_of_the_computer_is_refused_unless_it_is_meant() {
    let computer = Computer::new("disk");
    computer.write("sys/class/block/sdx/removable", "0\n");
    computer.refused(&computer.image, &computer.device, "--force");
    computer.flash(&["--force"], &computer.image, &computer.device).expect("it is meant");
    // The slot of a laptop stays; its card does not.
    computer.write("sys/class/block/sdx/device/type", "SD\n");
    computer.flash(&[], &computer.image, &computer.device).expect("a card");
}

#[test]
fn what_cannot_be_written_to_is_refused_before_anything_is_written() {
    let computer = Computer::new("device");
    let refused = |words| computer.refused(&computer.image, &computer.device, words);
    let (image, place) = (&computer.image, &computer.place);
    computer.refused(image, &place.file("sdy"), "Is the card in?");
    fs::write(place.file("note.txt"), "a note").expect("a file");
    computer.refused(image, &place.file("note.txt"), "is not a disk");

    computer.write("sys/class/block/sdx/size", &format!("{}\n", (IMAGE - 512) / 512));
    refused("has 9 MB and the image 9 MB: take a larger card");
    computer.write("sys/class/block/sdx/size", &format!("{}\n", CARD / 512));

    computer.write("sys/class/block/sdx/ro", "1\n");
    refused("write-protected");
    computer.write("sys/class/block/sdx/ro", "0\n");

    computer.write("sys/class/block/sdx1/dev", "8:17\n");
    computer.write("sys/class/block/sdx1/partition", "1\n");
    computer.write("proc/self/mountinfo", "20 1 8:17 / /media/card rw - vfat /dev/sdx1 rw\n");
    refused("/dev/sdx1 is mounted at /media/card");
    computer.write("proc/self/mountinfo", "20 1 8:18 / / rw - ext4 /dev/sdxa1 rw\n");
    computer.write("proc/swaps", "/dev/sdx1 partition 1 0 -2\n");
    refused("swapped to");
    computer.write("proc/swaps", "");
    computer.write("sys/class/block/sdx1/holders/dm-0", "");
    refused("is part of dm-0");

    fs::write(place.file("sdx1"), "").expect("a partition");
    computer.refused(image, &place.file("sdx1"), "is a partition");
}

#[test]
fn what_is_no_image_is_refused_before_anything_is_written() {
    let computer = Computer::new("image");
    let refused = |name: &str, words| computer.refused(&computer.place.file(name), &computer.device, words);
    refused("nothing.img", "there is no image");
    fs::write(computer.place.file("card.iso"), "").expect("a file");
    refused("card.iso", "is no .img");
    fs::write(computer.place.file("song.img"), vec![1; 4096]).expect("a file");
    refused("song.img", "no partition table");
    fs::write(computer.place.file("empty.img"), "").expect("a file");
    refused("empty.img", "no partition table");

    // A download that broke off.
    tool::run("xz", &["--keep", text(&computer.image)]);
    let packed = fs::read(computer.place.file("card.img.xz")).expect("a packed image");
    fs::write(computer.place.file("short.img.xz"), &packed[..packed.len() - 100]).expect("a file");
    refused("short.img.xz", "is damaged");
}

#[test]
fn a_card_that_takes_less_than_it_says_is_told() {
    let computer = Computer::new("full");
    computer.disk("full");
    let said = computer.flash(&[], &computer.image, Path::new("/dev/full")).expect_err("it takes nothing");
    assert!(said.contains("did not take all of it"), "{said}");
}

#[test]
fn a_card_that_gives_back_something_else_is_told() {
    let computer = Computer::new("broken");
    // One byte goes wrong on its way.
    let tools = computer.place.file("tools");
    fs::create_dir(&tools).expect("a folder");
    let card = text(&computer.device);
    let dd = format!(
        "#!/bin/sh\nreal=$(PATH=${{PATH#*:}} command -v dd)\n$real \"$@\" || exit\n\
         case $* in *of=*) printf x | $real of={card} bs=1 seek=5000000 conv=notrunc status=none ;; esac\n"
    );
    fs::write(tools.join("dd"), dd).expect("a script");
    fs::set_permissions(tools.join("dd"), fs::Permissions::from_mode(0o755)).expect("a script");
    let path = format!("{}:{}", text(&tools), std::env::var("PATH").expect("a path"));
    let said = computer.flash_by(&path, &[], &computer.image, &computer.device);
    let said = said.expect_err("no card does this and is sound");
    assert!(said.contains("not what was written to it"), "{said}");
}

#[test]
fn every_script_of_a_card_is_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("board");
    for name in ["image", "flash.sh", "root/usr/lib/outpost/grow", "initrd"] {
        let script = folder.join(name);
        assert!(fs::metadata(&script).expect("a script").permissions().mode() & 0o111 != 0, "{name}");
        tool::run("sh", &["-n", text(&script)]);
    }
}
