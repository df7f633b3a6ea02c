.PHONY: run build test

# Builds and starts the whole system with demonstration cameras; prints the URL and the login.
run:
	@scripts/setup.sh run
	@scripts/with-tools.sh scripts/build-web.sh
	@scripts/with-tools.sh cargo run --release --locked --package server --bin cctv -- demo

# Leaves the program in target/release/cctv.
build:
	@scripts/setup.sh run
	@scripts/with-tools.sh scripts/build-web.sh
	@scripts/with-tools.sh cargo build --release --locked --package server --bin cctv

# Runs every check and test; ends with a summary.
test:
	@scripts/setup.sh test
	@scripts/with-tools.sh cargo xtask ci
