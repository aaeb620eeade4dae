# Two commands to know: `make demo` and `make test`. Each installs what it is missing, and says so.

CARGO := .ci/cargo
STEP  := .ci/step
# Words for the demo: make demo ARGS="--listen 127.0.0.1:9000"
ARGS  ?=
# The board to make a package for, if it is not for this machine: make deb FOR=arm64
FOR   ?=
# The board to make a card image for: make image BOARD=pi3
BOARD ?=

# What stands for boards with 32 bits.
BITS32 := armv7-unknown-linux-gnueabihf

TARGET = $(or $(CARGO_TARGET_DIR),target)

.PHONY: help demo deb image test test-image bench

help:
	@echo 'Outpost: a streaming box for a small board. Sound card and camera in, live HLS out.'
	@echo
	@echo '  make demo    build it and run it with a scanner and a camera that are not there; prints the address to open'
	@echo '               make demo ARGS="--listen 127.0.0.1:9000"   passes its words on'
	@echo '  make deb     a Debian package of it, in $(TARGET)/deb; make deb FOR=arm64   for a Raspberry Pi, on a PC'
	@echo '  make image BOARD=pi3   a card for a board left alone, in $(TARGET)/image: zero2, pi3, pi4, pi5, arm64 (docs/board.md)'
	@echo '  make test    every test: formatting, lints, units, players, browser, the ring'"'"'s interleavings'
	@echo '  make test-image   that card, started, killed and cut off in emulation: 45 minutes, and no part of make test'
	@echo '  make bench   the figures, beside ffmpeg and nginx in the same run'
	@echo
	@echo 'Each installs the Debian packages it is missing (as root or with sudo) and says which.'
	@echo 'Then: $(TARGET)/release/outpost --help, and README.md.'

demo:
	@.ci/setup build
	$(CARGO) build --release
	@exec $(TARGET)/release/outpost demo $(ARGS)

deb:
	@.ci/setup build
	@cross/deb/build $(FOR)

image:
	@.ci/setup image
	@board/image $(BOARD)

test:
	@.ci/setup test
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(STEP) 'Formatting' $(CARGO) fmt --check; \
	else echo 'Formatting: not checked, this Rust comes without rustfmt.'; fi
	@if $(CARGO) clippy --version >/dev/null 2>&1; then \
	    $(STEP) 'Lints' $(CARGO) clippy --all-targets -- -D warnings; \
	else echo 'Lints: not checked, this Rust comes without clippy.'; fi
	@$(STEP) 'Without encoders' $(CARGO) check --no-default-features
	@$(STEP) 'With fdk-aac alone' $(CARGO) check --no-default-features --features fdk-aac
	@$(STEP) 'With x264 alone' $(CARGO) check --no-default-features --features x264
	@if command -v rustup >/dev/null; then \
	    $(STEP) 'For boards with 32 bits' sh -c 'rustup -q target add $(BITS32) && cross/build.sh --check $(BITS32)'; \
	else echo 'For boards with 32 bits: not checked, rustup has Rust for them, and is not there.'; fi
	@$(STEP) 'Tests' $(CARGO) test
	@$(STEP) 'The ring, all interleavings (loom)' env RUSTFLAGS='--cfg loom' \
	    $(CARGO) test --release --manifest-path tests/ring/Cargo.toml
	@if $(CARGO) miri --version >/dev/null 2>&1; then \
	    $(STEP) 'The ring, undefined behaviour (Miri)' $(CARGO) miri test --manifest-path tests/ring/Cargo.toml; \
	else echo 'The ring, undefined behaviour: not checked, this Rust comes without Miri (rustup component of nightly).'; fi
	@echo && echo 'All tests passed.'

test-image:
	@.ci/setup image
	@rm -f $(TARGET)/tmp/image-figures
	@$(STEP) 'Card images in emulation' $(CARGO) test --test image -- --nocapture --test-threads 1
	@cat $(TARGET)/tmp/image-figures

bench:
	@.ci/setup bench
	@$(STEP) 'The ring beside rtrb' $(CARGO) bench --bench ring
	@$(STEP) 'Pictures before they are encoded' $(CARGO) bench --bench pixel
	@$(STEP) 'Enciphering' $(CARGO) bench --bench crypt
	@$(STEP) 'Figures' $(CARGO) bench --bench figures
