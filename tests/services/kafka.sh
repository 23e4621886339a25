# SPDX-License-Identifier: MIT
# Apache Kafka 4 from Maven: broker and controller in one process (KRaft). It creates no topics.
#
# A client goes on to the address that the broker tells it, past any proxy. Therefore a second
# listener, $TICKETQ_TEST_KAFKA_INNER, says that it is $TICKETQ_TEST_KAFKA_PROXY: a test puts its
# proxy there. Two more want a password, or speak TLS with a certificate that is its own authority:
# $TICKETQ_TEST_KAFKA_SASL and $TICKETQ_TEST_KAFKA_TLS.
# Tools: java -cp "$TICKETQ_TEST_KAFKA_JARS" org.apache.kafka.tools.TopicCommand ...
# shellcheck shell=bash disable=SC2154

kafka_version=4.1.0
kafka_home=$tools_cache/kafka-$kafka_version

# What `format` writes is the same for every run, so it is called once. It leaves an archive of
# loaded classes, which saves a broker a fifth of its start; Java ignores one that does not fit.
kafka_install() {
    need_packages openjdk-17-jre-headless kcat openssl
    [ ! -f "$kafka_home/complete" ] || return 0
    need_packages maven
    echo "installing: Kafka $kafka_version (from Maven, into $tools_cache)" >&2
    rm -rf "$kafka_home"
    mvn -B -q -f "$services/kafka.pom.xml" -Dkafka="$kafka_version" \
        dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$kafka_home/lib" \
        >&2 || return 1
    run=-0 kafka_properties "$kafka_home/data" >"$kafka_home/properties"
    java -XX:ArchiveClassesAtExit="$kafka_home/classes.jsa" -cp "$kafka_home/lib/*" \
        kafka.tools.StorageTool format -t ticketq-test-kafka-000 -c "$kafka_home/properties" \
        >"$kafka_home/log" 2>&1 || { cat "$kafka_home/log" >&2 && return 1; }
    touch "$kafka_home/complete"
}

# After a kill the broker may come back when its old session has ended.
kafka_properties() {
    cat <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$(port kafka.controller)
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAIN:PLAINTEXT,PROXIED:PLAINTEXT,\
SASL:SASL_PLAINTEXT,TLS:SSL
listeners=PLAIN://$(kafka_address kafka),PROXIED://$(kafka_address kafka.inner),\
SASL://$(kafka_address kafka.sasl),TLS://$(kafka_address kafka.tls),\
CONTROLLER://$(kafka_address kafka.controller)
advertised.listeners=PLAIN://$(kafka_address kafka),PROXIED://$(kafka_address kafka.proxy),\
SASL://$(kafka_address kafka.sasl),TLS://$(kafka_address kafka.tls)
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_ticketq="secret";
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location=${1%/*}/broker.pem
log.dirs=$1
EOF
    kafka_small 1 1
}

# kafka_small COPIES LEAST   what keeps a broker of a test small, and quick to be missed; its own
# topics have so many copies, of which so many have what is acknowledged
kafka_small() {
    cat <<EOF
auto.create.topics.enable=false
min.insync.replicas=$2
offsets.topic.replication.factor=$1
transaction.state.log.replication.factor=$1
transaction.state.log.min.isr=$2
share.coordinator.state.topic.replication.factor=$1
share.coordinator.state.topic.min.isr=$2
log.segment.bytes=16777216
num.partitions=4
num.network.threads=2
num.io.threads=2
broker.heartbeat.interval.ms=1000
broker.session.timeout.ms=3000
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=4
EOF
}

kafka_address() {
    echo "127.0.0.1:$(port "$1")"
}

# In PEM, the key in PKCS #8, as Java wants it.
kafka_certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=ticketq-test \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$1/key.pem" -out "$1/ca.pem" 2>/dev/null &&
        cat "$1/key.pem" "$1/ca.pem" >"$1/broker.pem" && rm "$1/key.pem"
}

kafka_start() {
    local folder=$run/kafka
    if [ ! -d "$folder" ]; then
        mkdir "$folder" && cp -r "$kafka_home/data" "$folder" || return 1
        kafka_properties "$folder/data" >"$folder/properties"
        kafka_certificate "$folder" || return 1
    fi
    kafka_launch kafka
    await kafka 120 kafka_answers
}

# kafka_launch PROCESS   with the properties in its folder
kafka_launch() {
    launch "$1" java -Xms256m -Xmx512m -XX:SharedArchiveFile="$kafka_home/classes.jsa" \
        -cp "$kafka_home/lib/*" kafka.Kafka properties
}

# kcat would spend a second on a broker that does not listen yet.
kafka_answers() {
    (: <"/dev/tcp/127.0.0.1/$(port kafka)") && kcat -L -m 1 -b "$(kafka_address kafka)"
}

kafka_stop() {
    halt kafka TERM
}

kafka_variables() {
    echo "TICKETQ_TEST_KAFKA=kafka://$(kafka_address kafka)"
    echo "TICKETQ_TEST_KAFKA_SASL=kafka://$(kafka_address kafka.sasl)?security=sasl_plaintext&\
sasl=PLAIN&user=ticketq&password=secret"
    echo "TICKETQ_TEST_KAFKA_TLS=kafka://$(kafka_address kafka.tls)?security=ssl&ca=$run/kafka/ca.pem"
    echo "TICKETQ_TEST_KAFKA_INNER=$(kafka_address kafka.inner)"
    echo "TICKETQ_TEST_KAFKA_PROXY=$(kafka_address kafka.proxy)"
    echo "TICKETQ_TEST_KAFKA_JARS=$kafka_home/lib/*"
}
