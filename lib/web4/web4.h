/* libweb4: identities, envelopes and the agent's side of web4d's agent socket.
 *
 * All functions that return int return 0 when done, a negative errno (-ENOMEM, ...) when the
 * machine failed, and WEB4_REFUSED when what was given, or what the node said, is a refusal; then
 * the web4_error tells the code of web4-protocols(7) and why. Outputs are written on 0 only. Texts
 * handed out are terminated by a NUL that is not counted in their length.
 *
 * The library starts no threads, installs no handlers and keeps no state of its own: different
 * objects may be used by different threads at once, one object by one thread at a time. */
#ifndef WEB4_H
#define WEB4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEB4_API __attribute__((visibility("default")))
#define WEB4_REFUSED 1
#define WEB4_FINGERPRINT_LEN 64 /* hex digits */
#define WEB4_MSG_ID_LEN 36

typedef struct web4_error {
    char code[32];     /* "bad_signature", ...; "" when there is none */
    char pointer[192]; /* JSON Pointer of the member that is wrong; "" when it is the whole */
    char text[256];    /* for people, printable */
} web4_error;

WEB4_API const char *web4_version(void);
WEB4_API void web4_free(void *memory); /* of what this library handed out as ret_text; takes NULL */

/* ---- identities: an Ed25519 key in locked memory that is wiped when it is freed */

typedef struct web4_identity web4_identity;

WEB4_API int web4_identity_generate(web4_identity **ret_identity);
/* PKCS#8 PEM, as openssl genpkey -algorithm ed25519 writes it. A file must be a regular one that
 * only its owner can read. */
WEB4_API int web4_identity_load(const char *path, web4_identity **ret_identity, web4_error *error);
/* A new file of mode 0600; one that exists is never replaced. */
WEB4_API int web4_identity_save(const web4_identity *identity, const char *path, web4_error *error);
WEB4_API web4_identity *web4_identity_free(web4_identity *identity);           /* NULL */
WEB4_API const char *web4_identity_fingerprint(const web4_identity *identity); /* 64 hex digits */
WEB4_API const char *web4_identity_pubkey(const web4_identity *identity);      /* base64 */

/* ---- envelopes. Inputs are JSON texts of len bytes; outputs are canonical (RFC 8785), to be freed
 * with web4_free. error may be NULL. */

WEB4_API int web4_canonicalise(const char *json, size_t len, char **ret_text, size_t *ret_len,
                               web4_error *error);
/* Signs an envelope without sign (one that is there is replaced). Its sender must be the identity.
 */
WEB4_API int web4_envelope_sign(const char *json, size_t len, const web4_identity *identity,
                                char **ret_text, size_t *ret_len, web4_error *error);
/* Checks form, schema, fingerprint and signature; neither freshness nor trust. The canonical form
 * is handed out when ret_text is not NULL. */
WEB4_API int web4_envelope_verify(const char *json, size_t len, char **ret_text, size_t *ret_len,
                                  web4_error *error);

typedef struct web4_draft {
    const char *family;    /* "cip", "hcp", "lip", "mesh"; NULL: "cip" */
    const char *type;      /* "FACT_PROPOSE" */
    const char *msg_id;    /* UUID v4; NULL: one is made */
    uint64_t timestamp_ms; /* since 1970, UTC */
    const char *sender_id;
    const char *receiver_id, *receiver_fingerprint; /* both NULL: everybody */
    const char *payload;                            /* JSON object */
    const char *state, *source;                     /* JSON objects, or NULL */
} web4_draft;

/* Writes a draft as a signed envelope and checks it as a receiver would. */
WEB4_API int web4_envelope_build(const web4_draft *draft, const web4_identity *identity,
                                 char **ret_text, size_t *ret_len, web4_error *error);

/* ---- the agent's side of the agent socket (web4-rpc(7)). The handle does no I/O by itself: the
 * caller moves bytes; or it is connected, and the functions that wait move them. */

typedef struct web4_agent web4_agent;

typedef enum web4_event_kind {
    WEB4_RESULT,       /* of the call id */
    WEB4_ERROR,        /* of the call id; id 0: the node could not read what it got */
    WEB4_NOTIFICATION, /* name says which: "agent.message", "agent.delivery", ... */
} web4_event_kind;

typedef struct web4_event {
    web4_event_kind kind;
    uint64_t id;
    const char *name; /* NOTIFICATION; else "" */
    const char *json; /* result, error object or params; "" when there are none */
    size_t json_len;
} web4_event; /* its texts are good until the next call on the handle */

WEB4_API int web4_agent_new(web4_agent **ret_agent);
/* Connects to the agent socket at path. The descriptor belongs to the handle. */
WEB4_API int web4_agent_connect(const char *path, web4_agent **ret_agent);
WEB4_API web4_agent *web4_agent_free(web4_agent *agent); /* NULL */
WEB4_API int web4_agent_fd(const web4_agent *agent);     /* -1 when it is not connected */

/* Queues a call; params is a JSON object or NULL. -EAGAIN: too many are open; -EMSGSIZE; -EINVAL:
 * params are no JSON. */
WEB4_API int web4_agent_call(web4_agent *agent, const char *method, const char *params,
                             uint64_t *ret_id);
/* Bytes that are to be written, and how many of them were. */
WEB4_API const void *web4_agent_output(const web4_agent *agent, size_t *ret_len);
WEB4_API void web4_agent_wrote(web4_agent *agent, size_t len);
/* Bytes that were read. -EBADMSG: that is no node; -ENOBUFS: events are not taken out. */
WEB4_API int web4_agent_read(web4_agent *agent, const void *bytes, size_t len);
/* 1 with *ret_event, 0 when there is none, negative as above. */
WEB4_API int web4_agent_next(web4_agent *agent, web4_event *ret_event);

/* Calls and waits for the answer (timeout_ms 0: without end); what comes meanwhile stays for
 * web4_agent_next and web4_agent_wait. 0 with the result, WEB4_REFUSED with *error, -ETIMEDOUT,
 * -ECONNRESET, -EBADMSG, -ENOTCONN (made by web4_agent_new), ... */
WEB4_API int web4_agent_call_wait(web4_agent *agent, const char *method, const char *params,
                                  unsigned timeout_ms, web4_event *ret_event, web4_error *error);
/* Waits for the next event. */
WEB4_API int web4_agent_wait(web4_agent *agent, unsigned timeout_ms, web4_event *ret_event);
/* ---- lifecycle hooks: functions that are called when sessions of the node open, close, or fall
 * silent (web4-session(7)). They run within web4_agent_next and web4_agent_wait, when these come to
 * the node.event that tells of it, which is handed out as well; so they never run on their own.
 *
 * A hook for session_open is called for each session that is known to be open before its
 * registration returns. A hook may register, unregister and clear: who is new is not called for the
 * change that is just told, who is gone is not called any more. It leaves web4_agent_next, _read,
 * _wait, _call_wait and _free of its handle alone. */

typedef enum web4_hook {
    WEB4_HOOK_SESSION_OPEN,
    WEB4_HOOK_SESSION_CLOSE,
    WEB4_HOOK_HEARTBEAT_TIMEOUT,
} web4_hook;

typedef struct web4_hook_call {
    web4_hook hook;
    const char *session; /* its id, 32 hex digits */
    const char *reason;  /* "opened", "resumed"; "manual", "heartbeat_timeout", ...; "silent" */
    uint64_t reconnects; /* how often it was open again */
    const char *peer;    /* fingerprint of the node at its other end */
    const char *transport;
} web4_hook_call; /* its texts are good during the call */

/* Returns 0, or anything else when it has failed: that harms nobody. */
typedef int (*web4_hook_function)(void *context, const web4_hook_call *call);

/* 0 with *ret_id (set before it is called for what is open), -ENOMEM, -ENOSPC (64 at most),
 * -EINVAL. */
WEB4_API int web4_agent_hook_register(web4_agent *agent, web4_hook hook,
                                      web4_hook_function function, void *context, uint64_t *ret_id);
WEB4_API int web4_agent_hook_unregister(web4_agent *agent, uint64_t id); /* 0 or -ENOENT */
WEB4_API void web4_agent_hook_clear(web4_agent *agent);
/* Asks an attached agent's node to tell it of sessions, first of those that are open. A program
 * that moves the bytes itself calls events.watch with these three types and open: true. */
WEB4_API int web4_agent_watch(web4_agent *agent, unsigned timeout_ms, web4_error *error);

/* Attaches under a name. pubkey: base64 of the agent's own key (it then signs by itself and uses
 * agent.submit); NULL: the node holds a key for that name and signs. */
WEB4_API int web4_agent_attach(web4_agent *agent, const char *agent_id, const char *pubkey,
                               unsigned timeout_ms, web4_error *error);

#ifdef __cplusplus
}
#endif
#endif
