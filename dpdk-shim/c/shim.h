/*
 * What Rust sees of DPDK: opaque types, plain structs, one function per DPDK call. Includes no DPDK header, so that
 * bindgen never meets one. Unless said otherwise a function returns 0 or more on success and a negative errno.
 */
#ifndef BYWAY_SHIM_H
#define BYWAY_SHIM_H

#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;
struct rte_fib;
struct rte_fib6;
struct rte_hash;

#define BW_BURST_MAX 32

/* What a device says of a received frame: DPDK's own bits of `ol_flags`. Of a checksum both bits together mean that the
 * device vouches for the data, though the field is not filled in. */
#define BW_RX_RSS 0x02
#define BW_RX_L4_BAD 0x08
#define BW_RX_IP_BAD 0x10
#define BW_RX_VLAN_STRIPPED 0x40
#define BW_RX_IP_GOOD 0x80
#define BW_RX_L4_GOOD 0x100
/* The bits by which a device is asked for work at transmission. */
#define BW_TX_MASK 0x1ffffe0000000000

/* What the device is asked to do with a frame. */
#define BW_TX_IP 0x01
#define BW_TX_TCP 0x02
#define BW_TX_IPV6 0x04

/* Offloads of a port, as capabilities and as wishes. */
#define BW_OFFLOAD_RX_IP 0x01
#define BW_OFFLOAD_RX_TCP 0x02
#define BW_OFFLOAD_RX_RSS_HASH 0x04
#define BW_OFFLOAD_TX_IP 0x08
#define BW_OFFLOAD_TX_TCP 0x10
#define BW_OFFLOAD_TX_TSO 0x20

/* Flow kinds that receive-side scaling spreads. */
#define BW_RSS_TCP4 0x01
#define BW_RSS_TCP6 0x02

/* The first cache line of an mbuf, which its owner reads and writes itself; shim.c holds it to DPDK's own. */
struct bw_mbuf {
	uint8_t *buf_addr;
	uint64_t buf_iova;
	uint16_t data_off;
	uint16_t refcnt;
	uint16_t nb_segs;
	uint16_t port;
	uint64_t ol_flags;
	uint32_t packet_type;
	uint32_t pkt_len;
	uint16_t data_len;
	uint16_t vlan_tci;
	uint32_t rss_hash;
	uint32_t hash_hi;
	uint16_t vlan_tci_outer;
	uint16_t buf_len;
};

/* What a device is asked to do with one frame. Lengths in bytes. */
struct bw_tx_work {
	uint8_t flags;
	uint8_t l2_len;
	uint8_t l3_len;
	uint8_t l4_len;
	/* Payload of the segments that the device cuts it into; 0: sent as it is. */
	uint16_t segment;
};

struct bw_capabilities {
	char driver[64];
	uint32_t offloads;
	uint32_t rss_kinds;
	uint32_t min_mtu;
	uint32_t max_mtu;
	uint32_t max_frame_len;
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint16_t reta_len;
	uint8_t rss_key_len;
	int32_t numa_node;
	uint8_t mac[6];
};

struct bw_port_config {
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t mtu;
	uint32_t offloads;
	uint32_t rss_kinds;
	const uint8_t *rss_key;
	uint8_t rss_key_len;
	uint8_t rx_interrupts;
};

struct bw_stats {
	uint64_t rx_frames;
	uint64_t rx_bytes;
	uint64_t tx_frames;
	uint64_t tx_bytes;
	uint64_t rx_missed;
	uint64_t rx_no_buffer;
	uint64_t rx_errors;
	uint64_t tx_errors;
};

struct bw_xstat {
	char name[64];
	uint64_t value;
};

typedef void (*bw_log_sink)(const char *text, size_t len);

/* EAL, log, threads. */
int bw_log_open(bw_log_sink sink);
int bw_thread_affinity(const uint16_t *cpus, uint16_t count);
int bw_eal_init(int argc, char **argv);
int bw_thread_register(void);
void bw_thread_unregister(void);
uint32_t bw_lcore_id(void);
const char *bw_version(void);
uint64_t bw_tsc_hz(void);

/* Pools and frames. */
struct rte_mempool *bw_pool_create(const char *name, uint32_t frames, uint32_t cache, uint16_t data_room, int node);
uint32_t bw_pool_available(const struct rte_mempool *pool);
int bw_frames_allocate(struct rte_mempool *pool, struct bw_mbuf **frames, uint16_t count);
void bw_frame_free(struct bw_mbuf *frame);
void bw_frames_free(struct bw_mbuf **frames, uint16_t count);
void bw_frame_set_work(struct bw_mbuf *frame, const struct bw_tx_work *work);

/* Ports. */
int bw_port_plug(const char *bus, const char *name, const char *args);
int bw_port_unplug(const char *bus, const char *name);
int bw_port_find(const char *name);
int bw_port_capabilities(uint16_t port, struct bw_capabilities *out);
int bw_port_configure(uint16_t port, const struct bw_port_config *config);
int bw_port_adjust_rings(uint16_t port, uint16_t *rx_slots, uint16_t *tx_slots);
int bw_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t slots, int node, struct rte_mempool *pool);
int bw_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t slots, int node);
int bw_port_start(uint16_t port);
int bw_port_stop(uint16_t port);
int bw_port_close(uint16_t port);
int bw_port_mtu(uint16_t port, uint16_t *mtu);
int bw_port_set_mtu(uint16_t port, uint16_t mtu);
int bw_port_set_mac(uint16_t port, const uint8_t *mac);
int bw_port_all_multicast(uint16_t port);
int bw_port_promiscuous(uint16_t port);
int bw_port_set_reta(uint16_t port, const uint16_t *queues, uint16_t len);
int bw_port_rss_key(uint16_t port, uint8_t *key, uint8_t len);
int bw_port_link_up(uint16_t port);
int bw_port_stats(uint16_t port, struct bw_stats *out);
int bw_port_xstats(uint16_t port, struct bw_xstat *out, uint16_t count);

/* Receive interrupts: registered with, and waited for by, the calling thread. */
int bw_rx_interrupt_register(uint16_t port, uint16_t queue);
int bw_rx_interrupt_enable(uint16_t port, uint16_t queue);
int bw_rx_interrupt_disable(uint16_t port, uint16_t queue);
int bw_rx_interrupt_wait(int timeout_ms);

/* Kernel interfaces that software devices stand on, in the caller's network namespace. */
int bw_interface_mtu(const char *name);
int bw_interface_set_mtu(const char *name, uint16_t mtu);

/* Bursts: at most BW_BURST_MAX frames a call. */
uint16_t bw_rx_burst(uint16_t port, uint16_t queue, struct bw_mbuf **out, uint16_t count);
uint16_t bw_tx_burst(uint16_t port, uint16_t queue, struct bw_mbuf **frames, uint16_t count, uint16_t *refused);

/* Longest prefix match, next hops of two bytes; the default next hop is `BW_FIB_NONE`. */
#define BW_FIB_NONE 0x7fff
struct rte_fib *bw_fib4_create(const char *name, int node, uint32_t routes, uint32_t groups);
void bw_fib4_free(struct rte_fib *fib);
int bw_fib4_add(struct rte_fib *fib, uint32_t ip, uint8_t depth, uint64_t hop);
int bw_fib4_remove(struct rte_fib *fib, uint32_t ip, uint8_t depth);
int bw_fib4_find(struct rte_fib *fib, const uint32_t *ips, uint64_t *hops, uint32_t count);
struct rte_fib6 *bw_fib6_create(const char *name, int node, uint32_t routes, uint32_t groups);
void bw_fib6_free(struct rte_fib6 *fib);
int bw_fib6_add(struct rte_fib6 *fib, const uint8_t *ip, uint8_t depth, uint64_t hop);
int bw_fib6_remove(struct rte_fib6 *fib, const uint8_t *ip, uint8_t depth);
int bw_fib6_find(struct rte_fib6 *fib, const uint8_t *ips, uint64_t *hops, uint32_t count);

/* Exact match, and the hash of receive-side scaling in software. */
struct rte_hash *bw_hash_create(const char *name, int node, uint32_t entries, uint32_t key_len);
void bw_hash_free(struct rte_hash *table);
int bw_hash_add(const struct rte_hash *table, const void *key);
int bw_hash_find(const struct rte_hash *table, const void *key);
int bw_hash_remove(const struct rte_hash *table, const void *key);
uint32_t bw_toeplitz(const uint32_t *words, uint32_t count, const uint8_t *key);

#endif
