# SPDX-License-Identifier: MIT
# Redis Cluster: nodes 1, 2 and 3 begin as masters, 4, 5 and 6 as their replicas in this order.
# Put together by hand, because redis-cli --cluster create waits for seconds between its steps.
# shellcheck shell=bash disable=SC2154

cluster_install() {
    redis_install
}

# cluster_cli NODE COMMAND...
cluster_cli() {
    redis-cli -p "$(port "cluster.$1")" "${@:2}"
}

cluster_node_start() {
    redis_launch "cluster.$1" --cluster-enabled yes --cluster-node-timeout 2000
}

cluster_create() {
    local node master
    cluster_cli 1 cluster addslotsrange 0 5460
    cluster_cli 2 cluster addslotsrange 5461 10922
    cluster_cli 3 cluster addslotsrange 10923 16383
    for node in 1 2 3 4 5 6; do
        cluster_cli "$node" cluster set-config-epoch "$node"
        cluster_cli 1 cluster meet 127.0.0.1 "$(port "cluster.$node")"
    done
    for node in 4 5 6; do
        master=$(cluster_cli $((node - 3)) cluster myid)
        await "cluster.$node" 60 cluster_replicate "$node" "$master"
    done
}

# cluster_replicate NODE MASTER   refused until the node has heard of the master
cluster_replicate() {
    [ "$(cluster_cli "$1" cluster replicate "$2")" = OK ]
}

# cluster_settled NODE   it knows all six and their parts, serves, and follows its master
cluster_settled() {
    cluster_cli "$1" cluster info | grep -q cluster_state:ok &&
        [ "$(cluster_cli "$1" cluster nodes | grep -c ' connected')" -eq 6 ] &&
        [ "$(cluster_cli "$1" cluster nodes | grep -cE '[ ,]slave ')" -eq 3 ] &&
        cluster_cli "$1" info replication | grep -qE 'role:master|master_link_status:up'
}

cluster_start() {
    local node new=
    [ -d "$run/cluster.1" ] || new=1
    for node in 1 2 3 4 5 6; do
        cluster_node_start "$node" || return 1
    done
    [ -z "$new" ] || cluster_create >/dev/null
    for node in 1 2 3 4 5 6; do
        await "cluster.$node" 60 cluster_settled "$node" || return 1
    done
}

cluster_stop() {
    local node
    for node in 1 2 3 4 5 6; do
        halt "cluster.$node" TERM
    done
}

# cluster_failover NODE   the replica takes its master's place, nothing is lost
cluster_failover() {
    cluster_cli "$1" cluster failover >/dev/null
    await "cluster.$1" 60 cluster_is_master "$1"
}

cluster_is_master() {
    cluster_cli "$1" role | grep -qx master
}

# cluster_reshard COUNT FROM TO   moves slots from one master to another, with what is in them
cluster_reshard() {
    redis-cli --cluster reshard "127.0.0.1:$(port cluster.1)" --cluster-slots "$1" --cluster-yes \
        --cluster-from "$(cluster_cli "$2" cluster myid)" \
        --cluster-to "$(cluster_cli "$3" cluster myid)" >/dev/null
}

cluster_variables() {
    local node nodes=""
    for node in 1 2 3 4 5 6; do
        nodes="$nodes,127.0.0.1:$(port "cluster.$node")"
    done
    echo "TICKETQ_TEST_REDIS_CLUSTER=redis://${nodes#,}"
}
