#!/usr/bin/env bash
# Makes a Python environment with MuJoCo and Gymnasium, for es-train's MuJoCo and gymnasium: environments.
set -euo pipefail

usage() {
    cat <<'END'
Makes a Python environment with MuJoCo, Gymnasium and what draws them.

  envs/setup_mujoco.sh [DIR] [PACKAGE...]

DIR is the environment's directory, .venv in the repository if none is given; one that exists is kept and completed.
Further packages are installed with pip, such as 'gymnasium[box2d]' or ale-py. Needs Python 3.10 or newer, with venv.
END
}

# The version whose library es-train loads, and the Gymnasium whose models and tasks it is tested against.
packages=(mujoco==4.0.0 gymnasium==1.4.0 imageio packaging PyOpenGL)

case ${1:-} in
    -h | --help) usage && exit 0 ;;
    -*)
        echo "envs/setup_mujoco.sh: unknown option $1, see envs/setup_mujoco.sh --help" >&2
        exit 2
        ;;
esac

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=scripts/mpi_env.sh
source "$repo/scripts/mpi_env.sh"

venv=${1:-$repo/.venv}
shift || true
venv_create "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" "$@"

venv=$(cd "$venv" && pwd -P)
"$venv/bin/python" - <<'END'
import gymnasium, mujoco
print(f"installed: MuJoCo {mujoco.__version__}, Gymnasium {gymnasium.__version__}")
END
cat <<END
es-train finds them after

  export ES_TRAIN_PYTHON=$venv/bin/python

or with --python $venv/bin/python; see: es-train list envs
END
