/*
 * The only file that includes DPDK headers. Dull on purpose: one DPDK call and its error per function; whatever Rust
 * can decide, Rust decides.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_hash.h>
#include <rte_interrupts.h>
#include <rte_jhash.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_thash.h>
#include <rte_version.h>

/* ---- EAL, log, threads ---- */

static bw_log_sink log_sink;

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	log_sink(text, len);
	return (ssize_t)len;
}

int bw_log_open(bw_log_sink sink)
{
	cookie_io_functions_t functions = { .write = log_write };
	FILE *stream;

	log_sink = sink;
	stream = fopencookie(NULL, "w", functions);
	if (stream == NULL)
		return -errno;
	setvbuf(stream, NULL, _IOLBF, 0);
	return rte_openlog_stream(stream);
}

int bw_thread_affinity(const uint16_t *cpus, uint16_t count)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (uint16_t i = 0; i < count; i++)
		CPU_SET(cpus[i], &set);
	return -pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

int bw_eal_init(int argc, char **argv)
{
	return rte_eal_init(argc, argv) < 0 ? -rte_errno : 0;
}

int bw_thread_register(void)
{
	return rte_thread_register() < 0 ? -rte_errno : 0;
}

void bw_thread_unregister(void)
{
	rte_thread_unregister();
}

uint32_t bw_lcore_id(void)
{
	return rte_lcore_id();
}

const char *bw_version(void)
{
	return rte_version();
}

uint64_t bw_tsc_hz(void)
{
	return rte_get_tsc_hz();
}

/* ---- pools and frames ---- */

struct rte_mempool *bw_pool_create(const char *name, uint32_t frames, uint32_t cache, uint16_t data_room, int node)
{
	return rte_pktmbuf_pool_create(name, frames, cache, 0, data_room, node);
}

uint32_t bw_pool_available(const struct rte_mempool *pool)
{
	return rte_mempool_avail_count(pool);
}

#define SAME_PLACE(ours, theirs) \
	_Static_assert(offsetof(struct bw_mbuf, ours) == offsetof(struct rte_mbuf, theirs), "bw_mbuf." #ours)
SAME_PLACE(buf_addr, buf_addr);
SAME_PLACE(data_off, data_off);
SAME_PLACE(nb_segs, nb_segs);
SAME_PLACE(ol_flags, ol_flags);
SAME_PLACE(pkt_len, pkt_len);
SAME_PLACE(data_len, data_len);
SAME_PLACE(rss_hash, hash.rss);
SAME_PLACE(buf_len, buf_len);
_Static_assert(BW_RX_RSS == RTE_MBUF_F_RX_RSS_HASH && BW_RX_VLAN_STRIPPED == RTE_MBUF_F_RX_VLAN_STRIPPED, "RX flags");
_Static_assert((BW_RX_IP_BAD | BW_RX_IP_GOOD) == RTE_MBUF_F_RX_IP_CKSUM_MASK &&
	BW_RX_IP_BAD == RTE_MBUF_F_RX_IP_CKSUM_BAD, "flags of the IP checksum");
_Static_assert((BW_RX_L4_BAD | BW_RX_L4_GOOD) == RTE_MBUF_F_RX_L4_CKSUM_MASK &&
	BW_RX_L4_BAD == RTE_MBUF_F_RX_L4_CKSUM_BAD, "flags of layer 4's checksum");
_Static_assert((RTE_MBUF_F_TX_OFFLOAD_MASK & ~BW_TX_MASK) == 0, "TX flags");
_Static_assert((BW_TX_MASK & (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)) == 0, "whose buffer it is");

int bw_frames_allocate(struct rte_mempool *pool, struct bw_mbuf **frames, uint16_t count)
{
	return rte_pktmbuf_alloc_bulk(pool, (struct rte_mbuf **)frames, count) == 0 ? 0 : -ENOBUFS;
}

void bw_frame_free(struct bw_mbuf *frame)
{
	rte_pktmbuf_free((struct rte_mbuf *)frame);
}

void bw_frames_free(struct bw_mbuf **frames, uint16_t count)
{
	rte_pktmbuf_free_bulk((struct rte_mbuf **)frames, count);
}

void bw_frame_set_work(struct bw_mbuf *frame, const struct bw_tx_work *work)
{
	struct rte_mbuf *mbuf = (struct rte_mbuf *)frame;
	uint64_t flags = 0;

	if (work->flags & (BW_TX_IP | BW_TX_TCP)) {
		flags = (work->flags & BW_TX_IPV6) ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;
		if (work->flags & BW_TX_IP)
			flags |= RTE_MBUF_F_TX_IP_CKSUM;
		if (work->flags & BW_TX_TCP)
			flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		mbuf->tx_offload = 0;
		mbuf->l2_len = work->l2_len;
		mbuf->l3_len = work->l3_len;
		/* Drivers that ask for it want a TCP header's least length; only segmentation needs the true one. */
		mbuf->l4_len = sizeof(struct rte_tcp_hdr);
		if (work->segment != 0) {
			flags |= RTE_MBUF_F_TX_TCP_SEG;
			mbuf->l4_len = work->l4_len;
			mbuf->tso_segsz = work->segment;
		}
	}
	mbuf->ol_flags = (mbuf->ol_flags & ~BW_TX_MASK) | flags;
}

/* ---- ports ---- */

int bw_port_plug(const char *bus, const char *name, const char *args)
{
	return rte_eal_hotplug_add(bus, name, args);
}

int bw_port_unplug(const char *bus, const char *name)
{
	return rte_eal_hotplug_remove(bus, name);
}

int bw_port_find(const char *name)
{
	struct rte_eth_dev_info info;
	uint16_t port;

	RTE_ETH_FOREACH_DEV(port) {
		if (rte_eth_dev_info_get(port, &info) == 0 && info.device != NULL &&
		    strcmp(rte_dev_name(info.device), name) == 0)
			return port;
	}
	return -ENODEV;
}

static const struct {
	uint32_t ours;
	uint64_t rx;
	uint64_t tx;
} offloads[] = {
	{ BW_OFFLOAD_RX_IP, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, 0 },
	{ BW_OFFLOAD_RX_TCP, RTE_ETH_RX_OFFLOAD_TCP_CKSUM, 0 },
	{ BW_OFFLOAD_RX_RSS_HASH, RTE_ETH_RX_OFFLOAD_RSS_HASH, 0 },
	{ BW_OFFLOAD_TX_IP, 0, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM },
	{ BW_OFFLOAD_TX_TCP, 0, RTE_ETH_TX_OFFLOAD_TCP_CKSUM },
	{ BW_OFFLOAD_TX_TSO, 0, RTE_ETH_TX_OFFLOAD_TCP_TSO },
};

int bw_port_capabilities(uint16_t port, struct bw_capabilities *out)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int rc = rte_eth_dev_info_get(port, &info);

	if (rc != 0)
		return rc;
	rc = rte_eth_macaddr_get(port, &mac);
	if (rc != 0)
		return rc;
	memset(out, 0, sizeof(*out));
	snprintf(out->driver, sizeof(out->driver), "%s", info.driver_name);
	for (size_t i = 0; i < RTE_DIM(offloads); i++) {
		if ((info.rx_offload_capa & offloads[i].rx) || (info.tx_offload_capa & offloads[i].tx))
			out->offloads |= offloads[i].ours;
	}
	if (info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_TCP)
		out->rss_kinds |= BW_RSS_TCP4;
	if (info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV6_TCP)
		out->rss_kinds |= BW_RSS_TCP6;
	out->min_mtu = info.min_mtu;
	out->max_mtu = info.max_mtu;
	out->max_frame_len = info.max_rx_pktlen;
	out->max_rx_queues = info.max_rx_queues;
	out->max_tx_queues = info.max_tx_queues;
	out->reta_len = info.reta_size;
	out->rss_key_len = info.hash_key_size;
	out->numa_node = rte_eth_dev_socket_id(port);
	memcpy(out->mac, mac.addr_bytes, sizeof(out->mac));
	return 0;
}

int bw_port_configure(uint16_t port, const struct bw_port_config *config)
{
	struct rte_eth_conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.rxmode.mtu = config->mtu;
	conf.intr_conf.rxq = config->rx_interrupts;
	for (size_t i = 0; i < RTE_DIM(offloads); i++) {
		if (config->offloads & offloads[i].ours) {
			conf.rxmode.offloads |= offloads[i].rx;
			conf.txmode.offloads |= offloads[i].tx;
		}
	}
	if (config->rss_kinds != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		if (config->rss_kinds & BW_RSS_TCP4)
			conf.rx_adv_conf.rss_conf.rss_hf |= RTE_ETH_RSS_NONFRAG_IPV4_TCP;
		if (config->rss_kinds & BW_RSS_TCP6)
			conf.rx_adv_conf.rss_conf.rss_hf |= RTE_ETH_RSS_NONFRAG_IPV6_TCP;
		conf.rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)config->rss_key;
		conf.rx_adv_conf.rss_conf.rss_key_len = config->rss_key_len;
	}
	return rte_eth_dev_configure(port, config->rx_queues, config->tx_queues, &conf);
}

int bw_port_adjust_rings(uint16_t port, uint16_t *rx_slots, uint16_t *tx_slots)
{
	return rte_eth_dev_adjust_nb_rx_tx_desc(port, rx_slots, tx_slots);
}

int bw_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t slots, int node, struct rte_mempool *pool)
{
	return rte_eth_rx_queue_setup(port, queue, slots, node, NULL, pool);
}

int bw_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t slots, int node)
{
	/* NULL keeps the port's offloads, none of which is FAST_FREE: frames change hands between workers. */
	return rte_eth_tx_queue_setup(port, queue, slots, node, NULL);
}

int bw_port_start(uint16_t port)
{
	return rte_eth_dev_start(port);
}

int bw_port_stop(uint16_t port)
{
	return rte_eth_dev_stop(port);
}

int bw_port_close(uint16_t port)
{
	return rte_eth_dev_close(port);
}

int bw_port_mtu(uint16_t port, uint16_t *mtu)
{
	return rte_eth_dev_get_mtu(port, mtu);
}

int bw_port_set_mtu(uint16_t port, uint16_t mtu)
{
	return rte_eth_dev_set_mtu(port, mtu);
}

int bw_port_set_mac(uint16_t port, const uint8_t *mac)
{
	struct rte_ether_addr address;

	memcpy(address.addr_bytes, mac, sizeof(address.addr_bytes));
	return rte_eth_dev_default_mac_addr_set(port, &address);
}

int bw_port_all_multicast(uint16_t port)
{
	return rte_eth_allmulticast_enable(port);
}

int bw_port_promiscuous(uint16_t port)
{
	return rte_eth_promiscuous_enable(port);
}

int bw_port_set_reta(uint16_t port, const uint16_t *queues, uint16_t len)
{
	struct rte_eth_rss_reta_entry64 groups[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];

	if (len > RTE_ETH_RSS_RETA_SIZE_512)
		return -EINVAL;
	memset(groups, 0, sizeof(groups));
	for (uint16_t i = 0; i < len; i++) {
		groups[i / RTE_ETH_RETA_GROUP_SIZE].mask |= 1ULL << (i % RTE_ETH_RETA_GROUP_SIZE);
		groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = queues[i];
	}
	return rte_eth_dev_rss_reta_update(port, groups, len);
}

int bw_port_rss_key(uint16_t port, uint8_t *key, uint8_t len)
{
	struct rte_eth_rss_conf conf = { .rss_key = key, .rss_key_len = len };

	return rte_eth_dev_rss_hash_conf_get(port, &conf);
}

int bw_port_link_up(uint16_t port)
{
	struct rte_eth_link link;
	int rc = rte_eth_link_get_nowait(port, &link);

	return rc != 0 ? rc : link.link_status == RTE_ETH_LINK_UP;
}

int bw_port_stats(uint16_t port, struct bw_stats *out)
{
	struct rte_eth_stats stats;
	int rc = rte_eth_stats_get(port, &stats);

	if (rc != 0)
		return rc;
	out->rx_frames = stats.ipackets;
	out->rx_bytes = stats.ibytes;
	out->tx_frames = stats.opackets;
	out->tx_bytes = stats.obytes;
	out->rx_missed = stats.imissed;
	out->rx_no_buffer = stats.rx_nombuf;
	out->rx_errors = stats.ierrors;
	out->tx_errors = stats.oerrors;
	return 0;
}

int bw_port_xstats(uint16_t port, struct bw_xstat *out, uint16_t count)
{
	struct rte_eth_xstat values[256];
	struct rte_eth_xstat_name names[256];
	int have = rte_eth_xstats_get_names(port, names, RTE_DIM(names));

	if (have < 0 || have > (int)RTE_DIM(names))
		return have < 0 ? have : -E2BIG;
	have = rte_eth_xstats_get(port, values, RTE_DIM(values));
	if (have < 0 || have > (int)RTE_DIM(values))
		return have < 0 ? have : -E2BIG;
	if (have > count)
		have = count;
	for (int i = 0; i < have; i++) {
		snprintf(out[i].name, sizeof(out[i].name), "%s", names[values[i].id].name);
		out[i].value = values[i].value;
	}
	return have;
}

int bw_rx_interrupt_register(uint16_t port, uint16_t queue)
{
	return rte_eth_dev_rx_intr_ctl_q(port, queue, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL);
}

int bw_rx_interrupt_enable(uint16_t port, uint16_t queue)
{
	return rte_eth_dev_rx_intr_enable(port, queue);
}

int bw_rx_interrupt_disable(uint16_t port, uint16_t queue)
{
	return rte_eth_dev_rx_intr_disable(port, queue);
}

int bw_rx_interrupt_wait(int timeout_ms)
{
	struct rte_epoll_event events[16];

	return rte_epoll_wait(RTE_EPOLL_PER_THREAD, events, RTE_DIM(events), timeout_ms);
}

/* ---- kernel interfaces ---- */

static int interface_ioctl(const char *name, unsigned long request, int *mtu)
{
	struct ifreq query;
	int rc, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memset(&query, 0, sizeof(query));
	snprintf(query.ifr_name, sizeof(query.ifr_name), "%s", name);
	query.ifr_mtu = *mtu;
	rc = ioctl(fd, request, &query) < 0 ? -errno : 0;
	*mtu = query.ifr_mtu;
	close(fd);
	return rc;
}

int bw_interface_mtu(const char *name)
{
	int mtu = 0, rc = interface_ioctl(name, SIOCGIFMTU, &mtu);

	return rc < 0 ? rc : mtu;
}

int bw_interface_set_mtu(const char *name, uint16_t mtu)
{
	int value = mtu;

	return interface_ioctl(name, SIOCSIFMTU, &value);
}

/* ---- bursts ---- */

/* What came in asks no device for work: some drivers (vhost) tell a checksum that is not filled in by the flags of sending. */
uint16_t bw_rx_burst(uint16_t port, uint16_t queue, struct bw_mbuf **out, uint16_t count)
{
	uint16_t got = rte_eth_rx_burst(port, queue, (struct rte_mbuf **)out, RTE_MIN(count, BW_BURST_MAX));

	for (uint16_t i = 0; i < got; i++)
		out[i]->ol_flags &= ~BW_TX_MASK;
	return got;
}

/* Only the first of several segments is ours to send. */
static void cut(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf->next);
	mbuf->next = NULL;
	mbuf->nb_segs = 1;
	mbuf->pkt_len = mbuf->data_len;
}

/*
 * Returns how many frames from the front are gone: sent, or refused by the driver's own check (freed here and counted
 * in `refused`).
 */
uint16_t bw_tx_burst(uint16_t port, uint16_t queue, struct bw_mbuf **frames, uint16_t count, uint16_t *refused)
{
	struct rte_mbuf **mbufs = (struct rte_mbuf **)frames;
	uint16_t ready, sent;
	uint64_t asked = 0;

	for (uint16_t i = 0; i < count; i++) {
		asked |= mbufs[i]->ol_flags;
		if (unlikely(mbufs[i]->nb_segs != 1))
			cut(mbufs[i]);
	}
	ready = (asked & BW_TX_MASK) ? rte_eth_tx_prepare(port, queue, mbufs, count) : count;
	sent = rte_eth_tx_burst(port, queue, mbufs, ready);
	*refused = 0;
	if (unlikely(sent == ready && ready < count)) {
		rte_pktmbuf_free(mbufs[ready]);
		*refused = 1;
	}
	return sent + *refused;
}

/* ---- longest prefix match ---- */

struct rte_fib *bw_fib4_create(const char *name, int node, uint32_t routes, uint32_t groups)
{
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = BW_FIB_NONE,
		.max_routes = (int)routes,
		.dir24_8 = { .nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = groups },
	};

	return rte_fib_create(name, node, &conf);
}

void bw_fib4_free(struct rte_fib *fib)
{
	rte_fib_free(fib);
}

int bw_fib4_add(struct rte_fib *fib, uint32_t ip, uint8_t depth, uint64_t hop)
{
	return rte_fib_add(fib, ip, depth, hop);
}

int bw_fib4_remove(struct rte_fib *fib, uint32_t ip, uint8_t depth)
{
	return rte_fib_delete(fib, ip, depth);
}

int bw_fib4_find(struct rte_fib *fib, const uint32_t *ips, uint64_t *hops, uint32_t count)
{
	return rte_fib_lookup_bulk(fib, (uint32_t *)(uintptr_t)ips, hops, (int)count);
}

struct rte_fib6 *bw_fib6_create(const char *name, int node, uint32_t routes, uint32_t groups)
{
	struct rte_fib6_conf conf = {
		.type = RTE_FIB6_TRIE,
		.default_nh = BW_FIB_NONE,
		.max_routes = (int)routes,
		.trie = { .nh_sz = RTE_FIB6_TRIE_2B, .num_tbl8 = groups },
	};

	return rte_fib6_create(name, node, &conf);
}

void bw_fib6_free(struct rte_fib6 *fib)
{
	rte_fib6_free(fib);
}

int bw_fib6_add(struct rte_fib6 *fib, const uint8_t *ip, uint8_t depth, uint64_t hop)
{
	return rte_fib6_add(fib, ip, depth, hop);
}

int bw_fib6_remove(struct rte_fib6 *fib, const uint8_t *ip, uint8_t depth)
{
	return rte_fib6_delete(fib, ip, depth);
}

int bw_fib6_find(struct rte_fib6 *fib, const uint8_t *ips, uint64_t *hops, uint32_t count)
{
	return rte_fib6_lookup_bulk(fib, (uint8_t(*)[RTE_FIB6_IPV6_ADDR_SIZE])(uintptr_t)ips, hops, (int)count);
}

/* ---- exact match ---- */

struct rte_hash *bw_hash_create(const char *name, int node, uint32_t entries, uint32_t key_len)
{
	struct rte_hash_parameters parameters = {
		.name = name,
		.entries = entries,
		.key_len = key_len,
		.hash_func = rte_jhash,
		.socket_id = node,
	};

	return rte_hash_create(&parameters);
}

void bw_hash_free(struct rte_hash *table)
{
	rte_hash_free(table);
}

int bw_hash_add(const struct rte_hash *table, const void *key)
{
	return rte_hash_add_key(table, key);
}

int bw_hash_find(const struct rte_hash *table, const void *key)
{
	return rte_hash_lookup(table, key);
}

int bw_hash_remove(const struct rte_hash *table, const void *key)
{
	return rte_hash_del_key(table, key);
}

uint32_t bw_toeplitz(const uint32_t *words, uint32_t count, const uint8_t *key)
{
	return rte_softrss((uint32_t *)(uintptr_t)words, count, key);
}
