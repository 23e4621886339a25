# SPDX-License-Identifier: MIT
# Three Kafka brokers, each a controller as well. What is acknowledged with acks=all is on two of them
# at least, so any one may be lost; it is taken for dead after three seconds, not after the usual nine.
# shellcheck shell=bash disable=SC2154

brokers_install() {
    kafka_install
}

brokers_address() {
    echo "127.0.0.1:$(port "brokers.$1")"
}

# brokers_properties NODE FOLDER
brokers_properties() {
    cat <<EOF
process.roles=broker,controller
node.id=$1
controller.quorum.voters=1@$(brokers_address controller.1),2@$(brokers_address controller.2),\
3@$(brokers_address controller.3)
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT
listeners=PLAIN://$(brokers_address "$1"),CONTROLLER://$(brokers_address "controller.$1")
log.dirs=$2
EOF
    kafka_small 3 2
}

# The one archive of data that is formatted becomes a node's own by the node's number.
brokers_node_start() {
    local folder=$run/brokers.$1
    if [ ! -d "$folder" ]; then
        mkdir "$folder" && cp -r "$kafka_home/data" "$folder" || return 1
        sed -i "s/^node.id=.*/node.id=$1/; s/^directory.id=./directory.id=$1/" "$folder/data/meta.properties"
        brokers_properties "$1" "$folder/data" >"$folder/properties"
    fi
    kafka_launch "brokers.$1"
}

# brokers_answers NODE   it is one of three
brokers_answers() {
    [ "$(kcat -L -m 1 -b "$(brokers_address "$1")" 2>/dev/null | grep -c '^  broker ')" -eq 3 ]
}

brokers_start() {
    local node
    for node in 1 2 3; do
        brokers_node_start "$node" || return 1
    done
    for node in 1 2 3; do
        await "brokers.$node" 120 brokers_answers "$node" || return 1
    done
}

brokers_stop() {
    local node
    for node in 1 2 3; do
        halt "brokers.$node" TERM
    done
}

brokers_variables() {
    echo "TICKETQ_TEST_KAFKA_CLUSTER=kafka://$(brokers_address 1),$(brokers_address 2),$(brokers_address 3)"
}
