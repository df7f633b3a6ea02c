.PHONY: run build test setup

# Everything this project needs on a Debian or Ubuntu machine; says what is missing elsewhere.
setup:
	@scripts/setup.sh

run: setup
	@scripts/with-tools.sh cargo run --release --locked --bin cctv -- demo

build: setup
	@scripts/with-tools.sh cargo build --release --locked --bin cctv

test: setup
	@scripts/with-tools.sh cargo xtask ci
