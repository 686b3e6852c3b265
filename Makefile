# Needs Node 20 or newer, npm and make; everything else, Node 24 included, comes with `npm ci`.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

# npm's own note of what is installed: older than the lock file means out of date.
installed := node_modules/.package-lock.json

.PHONY: test check e2e e2e-real demo bundle

# As root it has real machines, too: see e2e-real.
test: $(installed)
	@node test/run.ts all

check: $(installed)
	@node test/run.ts check

# Needs Go, or KUBEBUILDER_ASSETS, to have a real control plane.
e2e: $(installed)
	@node test/run.ts e2e

# Needs root, and cgroup version 1; installs Debian packages, builds kubelet and containerd.
e2e-real: $(installed)
	@node test/run.ts real

demo: bundle
	@node test/demo/demo.ts

bundle: $(installed)
	@node build/bundle.ts

$(installed): package-lock.json
	npm ci --no-audit --no-fund
	@touch $@
