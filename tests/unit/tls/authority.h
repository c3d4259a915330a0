/* SPDX-License-Identifier: MIT */
/*
 * authority.h - certificates for tests, made when they run: a folder with an authority, ca.pem, and
 * what it signs.  All keys are P-256 but those that a test brings.
 */
#ifndef EVENTER_TESTS_AUTHORITY_H
#define EVENTER_TESTS_AUTHORITY_H

#include "harness.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AUTHORITY_DAY 86400L

static char authority_folder[] = "/tmp/test_tls.XXXXXX";
static EVP_PKEY *authority_key;
static X509 *authority_certificate;

/* Give the path of a file in the folder; good until the eighth call after it. */
static inline const char *authority_path(const char *name)
{
    static char paths[8][320];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", authority_folder, name);
    return path;
}

static inline void authority_require(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "authority: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static inline void authority_write(const char *name, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = fopen(authority_path(name), "w");
    authority_require(file != NULL, "fopen");
    if (certificate != NULL)
        authority_require(PEM_write_X509(file, certificate), "PEM_write_X509");
    if (key != NULL)
        authority_require(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL),
                          "PEM_write_PrivateKey");
    fclose(file);
}

static inline void authority_extend(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, authority_certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    authority_require(extension != NULL && X509_add_ext(certificate, extension, -1) == 1,
                      "an extension");
    X509_EXTENSION_free(extension);
}

/* What is to be in a certificate; zeroed: a year from yesterday on, for nobody but its subject. */
struct authority_wish {
    const char *common_name;
    const char *names; /* "DNS:a.example,IP:127.0.0.1"; NULL: none */
    long from_s, to_s; /* seconds from now; both 0: as above */
};

/* Make a certificate for key; the caller owns it. */
static inline X509 *authority_sign(const struct authority_wish *wish, EVP_PKEY *key, int is_ca)
{
    static long serial = 1;
    const int is_default = wish->from_s == 0 && wish->to_s == 0;
    X509 *certificate = X509_new();
    authority_require(certificate != NULL, "X509_new");
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), is_default ? -AUTHORITY_DAY : wish->from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), is_default ? 365 * AUTHORITY_DAY : wish->to_s);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"Test", -1, -1,
                               0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)wish->common_name, -1, -1, 0);
    X509_set_issuer_name(certificate,
                         is_ca ? subject : X509_get_subject_name(authority_certificate));
    X509_set_pubkey(certificate, key);
    authority_extend(certificate, NID_basic_constraints, is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (is_ca)
        authority_extend(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (wish->names != NULL)
        authority_extend(certificate, NID_subject_alt_name, wish->names);
    authority_require(X509_sign(certificate, is_ca ? key : authority_key, EVP_sha256()) > 0,
                      "X509_sign");
    return certificate;
}

/* Write NAME.pem and NAME.key, with key (taken). */
static inline void authority_issue_with(const char *name, const struct authority_wish *wish,
                                        EVP_PKEY *key)
{
    char file[64];
    authority_require(key != NULL, "a key");
    X509 *certificate = authority_sign(wish, key, 0);
    snprintf(file, sizeof(file), "%s.key", name);
    authority_write(file, NULL, key);
    snprintf(file, sizeof(file), "%s.pem", name);
    authority_write(file, certificate, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static inline void authority_issue(const char *name, const struct authority_wish *wish)
{
    authority_issue_with(name, wish, EVP_EC_gen("P-256"));
}

/* Write NAME.pem and NAME.key, of one called NAME who has signed for himself. */
static inline void authority_issue_alone(const char *name)
{
    char file[64];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    authority_require(key != NULL && certificate != NULL, "authority_issue_alone");
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -AUTHORITY_DAY);
    X509_gmtime_adj(X509_getm_notAfter(certificate), AUTHORITY_DAY);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_set_pubkey(certificate, key);
    authority_require(X509_sign(certificate, key, EVP_sha256()) > 0, "X509_sign");
    snprintf(file, sizeof(file), "%s.pem", name);
    authority_write(file, certificate, NULL);
    snprintf(file, sizeof(file), "%s.key", name);
    authority_write(file, NULL, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* Make the folder, ca.pem, and server.pem for localhost and 127.0.0.1; client.pem for "client". */
static inline void authority_begin(void)
{
    authority_require(mkdtemp(authority_folder) != NULL, "mkdtemp");
    authority_key = EVP_EC_gen("P-256");
    authority_require(authority_key != NULL, "EVP_EC_gen");
    authority_certificate =
        authority_sign(&(struct authority_wish){.common_name = "authority"}, authority_key, 1);
    authority_write("ca.pem", authority_certificate, NULL);
    authority_issue("server", &(struct authority_wish){.common_name = "server",
                                                       .names = "DNS:localhost,IP:127.0.0.1"});
    authority_issue("client", &(struct authority_wish){.common_name = "client",
                                                       .names = "email:client@example.org"});
}

/* Remove the folder and all in it. */
static inline void authority_end(void)
{
    DIR *folder = opendir(authority_folder);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            unlink(authority_path(entry->d_name));
    if (folder != NULL)
        closedir(folder);
    rmdir(authority_folder);
    X509_free(authority_certificate);
    EVP_PKEY_free(authority_key);
}

static inline void authority_text(const char *name, const char *text)
{
    FILE *file = fopen(authority_path(name), "w");
    authority_require(file != NULL && fputs(text, file) >= 0, "fputs");
    fclose(file);
}

#endif
