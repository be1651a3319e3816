#!/bin/bash
# Trains on two nodes with a network between them: two network namespaces of Linux, joined by a virtual cable. It compares
# the result with that of one process with the same batches, pulls the cable in the middle of another training, and lets
# that go on. Needs root, iproute2 and a few minutes.
#
#   sudo benchmarks/nodes.sh [PYTHON]
set -euo pipefail
python=$(command -v "${1:-.venv/bin/python}")
folder=$(mktemp -d)
trap 'ip netns delete node0 2>/dev/null; ip netns delete node1 2>/dev/null; rm -rf "$folder"' EXIT

for node in 0 1; do ip netns add node$node; done
ip link add eth0 netns node0 type veth peer name eth0 netns node1
for node in 0 1; do
  ip -n node$node address add 10.77.0.$((node + 1))/24 dev eth0
  ip -n node$node link set lo up
  ip -n node$node link set eth0 up
done

cd "$folder"
export OMP_NUM_THREADS=1
"$python" -m txm2sem phantom images --size 128 --depth 32 >/dev/null
options=(--model feedforward --netG resnet_6blocks --ngf 8 --norm none --no_dropout --weight_decay 0.01 --patch_size 64
  --num_train 400 --niter 1 --niter_decay 0 --num_test 4 --num_threads 0 --gpu_ids=-1 --save_latest_freq 40
  --print_freq 40 --no_html)

# Starts both nodes, and returns when both have ended; what they say is in node0.log and node1.log.
train() {
  local node
  for node in 0 1; do
    NODE_RANK=$node MASTER_ADDR=10.77.0.1 MASTER_PORT=29500 GLOO_SOCKET_IFNAME=eth0 ip netns exec node$node \
      "$python" -m txm2sem train "${options[@]}" --num_nodes 2 --node_timeout 10 "$@" >node$node.log 2>&1 &
    eval "node$node=$!"
  done
}

ended() {
  local status0=0 status1=0
  wait "$node0" || status0=$?
  wait "$node1" || status1=$?
  echo "$1: status $status0 of the first node, $status1 of the second"
}

difference() {
  "$python" -c "
import sys, torch
one, other = (torch.load(f'checkpoints/{name}/latest_net_G.pth', weights_only=True) for name in sys.argv[1:])
print('largest difference of a weight between', *sys.argv[1:], max(float((one[k] - other[k]).abs().max()) for k in one))
" "$@"
}

"$python" -m txm2sem train "${options[@]}" --batch_size 2 --name one >one.log 2>&1
train --name two
ended "two nodes"
difference one two

train --name cut
until [ "$(cat checkpoints/cut/loss_log.txt 2>/dev/null | wc -l)" -ge 3 ]; do sleep 0.2; done
ip -n node1 link set eth0 down
seconds=$SECONDS
ended "the cable pulled"
echo "they ended $((SECONDS - seconds)) s after that, with --node_timeout 10; the first says:"
tail -n 1 node0.log
ip -n node1 link set eth0 up
train --name cut --continue_train
ended "the cable plugged in again, --continue_train"
difference one cut
