/* SPDX-License-Identifier: MIT */
/*
 * tickets.c - sessions are kept by the clients, sealed in tickets (RFC 5077, RFC 8446 4.6.1).
 *
 * One set of keys is for all contexts of the process.  A set never changes: each hour a new one
 * takes its place, whose first key seals and whose others still open what was sealed before.  A
 * reader holds a section (base/smr.h) while it looks, and no lock.  What a session depends on
 * (certificate, whom to trust) is in its context's identity, which OpenSSL compares.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/smr.h"
#include "tls/tls_impl.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define KEYS      3 /* the first seals, and all open */
#define ROTATE_NS (UINT64_C(3600) * CLOCK_NS_PER_S)
#define NAME_LEN  16
#define SECRET    32

struct key {
    unsigned char name[NAME_LEN], cipher[SECRET], mac[SECRET];
};

struct key_set {
    ck_epoch_entry_t ended;
    uint64_t born_ns; /* monotonic clock */
    unsigned count;
    struct key keys[KEYS];
};

static _Atomic(struct key_set *) keys; /* replaced with release, read with acquire */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of those who replace it */

static void free_set(ck_epoch_entry_t *entry)
{
    struct key_set *set = list_entry(entry, struct key_set, ended);
    OPENSSL_cleanse(set, sizeof(*set));
    alloc_free(set);
}

/* A new set in the place of old (NULL: none), whose keys it keeps.  NULL: no memory, or no luck. */
static struct key_set *make_set(const struct key_set *old)
{
    struct key_set *set = alloc_zeroed(1, sizeof(*set));
    if (set == NULL)
        return NULL;
    if (RAND_bytes((unsigned char *)&set->keys[0], sizeof(set->keys[0])) != 1) {
        alloc_free(set);
        return NULL;
    }
    set->born_ns = clock_mono_ns();
    set->count = old == NULL ? 1 : MIN(old->count + 1, (unsigned)KEYS);
    if (old != NULL)
        memcpy(&set->keys[1], old->keys, (set->count - 1) * sizeof(set->keys[0]));
    return set;
}

void tls_tickets_rotate(bool always)
{
    pthread_mutex_lock(&lock);
    struct key_set *old = atomic_load_explicit(&keys, memory_order_relaxed), *set = NULL;
    if (always || old == NULL || clock_mono_ns() - old->born_ns >= ROTATE_NS)
        set = make_set(old);
    if (set != NULL) {
        atomic_store_explicit(&keys, set, memory_order_release); /* with seal_or_open() */
        if (old != NULL)
            smr_defer(&old->ended, free_set, sizeof(*old));
    }
    pthread_mutex_unlock(&lock);
    smr_collect_if_due();
}

/* Copy the key that seals, or the one called name.  Its age (0: the newest), or -1: there is none.
 */
static int find_key(const unsigned char *name, struct key *out)
{
    int age = -1;
    smr_begin();
    const struct key_set *set = atomic_load_explicit(&keys, memory_order_acquire);
    for (unsigned i = 0; set != NULL && age < 0 && i < set->count; i++) {
        if (name == NULL || CRYPTO_memcmp(name, set->keys[i].name, NAME_LEN) == 0) {
            *out = set->keys[i];
            age = (int)i;
        }
    }
    smr_end();
    return age;
}

static bool set_up(const struct key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                   EVP_MAC_CTX *mac, int seals)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seals) == 1 &&
           EVP_MAC_init(mac, key->mac, SECRET, parameters) == 1;
}

/*
 * OpenSSL makes a ticket, or has got one.  Returns 1; 2: it is good, and a new one is due; 0: it is
 * of nobody we know; -1: an error.
 */
static int seal_or_open(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                        EVP_MAC_CTX *mac, int seals)
{
    struct key key;
    (void)ssl;
    int age = find_key(seals ? NULL : name, &key);
    if (age < 0)
        return 0;
    if (seals) {
        memcpy(name, key.name, NAME_LEN);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1)
            age = -1;
    }
    const bool is_ok = age >= 0 && set_up(&key, iv, cipher, mac, seals);
    OPENSSL_cleanse(&key, sizeof(key));
    if (!is_ok)
        return -1;
    return age > 0 || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1; /* TLS 1.3: one for each use */
}

int tls_tickets_use(SSL_CTX *ctx)
{
    tls_tickets_rotate(false);
    if (atomic_load_explicit(&keys, memory_order_acquire) == NULL)
        return -ENOMEM;
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, seal_or_open) == 1 ? 0 : -ENOMEM;
}
