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
    char code[32];     /* "bad_signature", ...; "" for what a node of another kind would say */
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

/* What two keys of one agent sign together, for keys.take on the agent socket: new_identity takes
 * the place of old_identity (web4-trust(7), KEYS). What the old key signs after time_ms counts no
 * more. -EINVAL: they are one key. */
WEB4_API int web4_identity_succeed(const web4_identity *old_identity,
                                   const web4_identity *new_identity, uint64_t time_ms,
                                   char **ret_text, size_t *ret_len);
/* The word of a key that another one, or itself (fingerprint NULL), is worth nothing any more. It
 * counts from that key itself and from its successors. reason: 1 to 255 bytes of text without
 * control characters, else -EINVAL. */
WEB4_API int web4_identity_revoke(const web4_identity *identity, const char *fingerprint,
                                  const char *reason, uint64_t time_ms, char **ret_text,
                                  size_t *ret_len);

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
    const char *const *capabilities;                /* of the sender; ends with NULL; or NULL */
    bool durable; /* to one agent, and kept until it has acknowledged it */
    /* The envelope that this one is caused by, as agent.message brought it; NULL: none. Where
     * agents answer each other it has to be named: the chain is made from it. */
    const char *answers;
} web4_draft;

/* Writes a draft as a signed envelope and checks it as a receiver would. */
WEB4_API int web4_envelope_build(const web4_draft *draft, const web4_identity *identity,
                                 char **ret_text, size_t *ret_len, web4_error *error);

/* The answer to a word of a handshake (web4-protocols(7), THE CIP HANDSHAKE) that agent.message
 * brought to an agent that signs for itself: to a HELLO, or to the STATE_UPDATE that follows. Who
 * submits it can be sent to by agents that have not met it. -ENOMSG: that asks for no such answer.
 */
WEB4_API int web4_handshake_answer(const char *envelope, size_t len, const web4_identity *identity,
                                   const char *sender_id, uint64_t timestamp_ms, char **ret_text,
                                   size_t *ret_len, web4_error *error);

/* ---- the agent's side of the agent socket (web4-rpc(7)). A handle comes in three kinds: one that
 * does no I/O by itself (web4_agent_new: the caller moves bytes), one that has a connection
 * (web4_agent_connect), and one that is kept up (web4_agent_keep). */

typedef struct web4_agent web4_agent;

typedef enum web4_event_kind {
    WEB4_RESULT,       /* of the call id */
    WEB4_ERROR,        /* of the call id; id 0: the node could not read what it got */
    WEB4_NOTIFICATION, /* name says which: "agent.message", "agent.delivery", ... */
    WEB4_CONNECTED,    /* a handle that is kept up is attached; json: as agent.attach answers */
    WEB4_DISCONNECTED, /* it is not, and tries again; json: an error object that says why */
} web4_event_kind;

typedef struct web4_event {
    web4_event_kind kind;
    uint64_t id;
    const char *name; /* NOTIFICATION; else "" */
    const char *json; /* result, error object or params, canonical; "" when there are none */
    size_t json_len;
} web4_event; /* its texts are good until the next call on the handle */

/* The code, the pointer and the text of an error object (of ERROR and DISCONNECTED). */
WEB4_API void web4_event_error(const web4_event *event, web4_error *ret_error);
/* What stands at a JSON Pointer of a text: the characters of a string, of anything else the
 * canonical JSON. 0, -ENOENT, -EINVAL (the text is no JSON), -ENOMEM. */
WEB4_API int web4_json_get(const char *json, size_t len, const char *pointer, char **ret_text,
                           size_t *ret_len);

/* Does no I/O by itself. */
WEB4_API int web4_agent_new(web4_agent **ret_agent);
/* Connects to the agent socket at path. The descriptor belongs to the handle. */
WEB4_API int web4_agent_connect(const char *path, web4_agent **ret_agent);
WEB4_API web4_agent *web4_agent_free(web4_agent *agent); /* NULL */
WEB4_API int web4_agent_fd(const web4_agent *agent);     /* -1 when it is not connected */

typedef struct web4_keep {
    const char *path;     /* of the agent socket */
    const char *agent_id; /* it attaches under that name */
    const char *pubkey;   /* of its own key, base64; NULL: the node holds one for that name */
    const char *capabilities, *subscribe; /* JSON arrays as agent.attach takes them; or NULL */
    bool watch;                           /* as web4_agent_watch does: for hooks */
} web4_keep;

/* A handle that is kept up: it connects and attaches, and does so again whenever the connection
 * ends, in growing pauses (to 6.4 s). Each time comes as WEB4_CONNECTED, its end as
 * WEB4_DISCONNECTED, and so does a try that fails, where its reason is another than the last one's.
 * What was called and not answered by then ends in WEB4_ERROR with the code "disconnected". Calls
 * can be made from WEB4_CONNECTED on; else they are -ENOTCONN. With the connection all sessions
 * count as closed for its hooks. Of keep nothing needs to live on. 0, -ENOMEM, -EINVAL. */
WEB4_API int web4_agent_keep(const web4_keep *keep, web4_agent **ret_agent);

/* For a loop of the caller's, with handles of _connect and _keep: watch web4_agent_fd (another one
 * after each WEB4_CONNECTED, -1 in between) for what _wants says, level-triggered, for
 * web4_agent_timeout at most; then call _process, and take out all events with web4_agent_next; and
 * so on. */
#define WEB4_WANTS_READ 1u
#define WEB4_WANTS_WRITE 2u
WEB4_API unsigned web4_agent_wants(const web4_agent *agent);
WEB4_API int web4_agent_timeout(const web4_agent *agent); /* milliseconds; -1: none */
/* Never waits. 0 or -ENOMEM; -ENOBUFS: events are not taken out, so no more are read; of a handle
 * that is not kept up also -ECONNRESET, -EBADMSG, -EIO, -ENOTCONN: it is of no use any more. */
WEB4_API int web4_agent_process(web4_agent *agent);

/* Queues a call of any method; params is a JSON object or NULL. *ret_id tells its one answer.
 * -EAGAIN: 256 are not answered; -EMSGSIZE; -EINVAL: params are no JSON object; -ENOTCONN. */
WEB4_API int web4_agent_call(web4_agent *agent, const char *method, const char *params,
                             uint64_t *ret_id);

/* What agent.send takes; what is NULL, false or 0 is left out. */
typedef struct web4_message {
    const char *protocol;       /* "cip", "hcp", "lip"; NULL: "cip" */
    const char *type;           /* "INTENT" */
    const char *to;             /* agent_id, fingerprint, a prefix of one, or "*" */
    const char *payload;        /* JSON object; NULL: {} */
    const char *state, *source; /* JSON objects */
    const char *channel;        /* "control", "state", "knowledge"; NULL: that of its type */
    const char *caused_by;      /* msg_id of the message it answers */
    bool durable;
    unsigned deadline_ms;
} web4_message;

/* Queue a call each, as web4_agent_call does. web4_agent_submit takes what web4_envelope_build and
 * _sign hand out; web4_agent_ack says of a message that it was dealt with. */
WEB4_API int web4_agent_send(web4_agent *agent, const web4_message *message, uint64_t *ret_id);
WEB4_API int web4_agent_submit(web4_agent *agent, const char *envelope, size_t len,
                               uint64_t *ret_id);
WEB4_API int web4_agent_ack(web4_agent *agent, const char *msg_id, uint64_t *ret_id);
/* Of a handle of web4_agent_new: bytes that are to be written, and how many of them were. */
WEB4_API const void *web4_agent_output(const web4_agent *agent, size_t *ret_len);
WEB4_API void web4_agent_wrote(web4_agent *agent, size_t len);
/* Bytes that were read. -EBADMSG: that is no node; -ENOBUFS: events are not taken out. */
WEB4_API int web4_agent_read(web4_agent *agent, const void *bytes, size_t len);
/* 1 with *ret_event, 0 when there is none, negative as above. */
WEB4_API int web4_agent_next(web4_agent *agent, web4_event *ret_event);

/* Waits for the answer to a call that was made (timeout_ms 0: without end); what comes meanwhile
 * stays for web4_agent_next and web4_agent_wait. 0 with the result, WEB4_REFUSED with *error,
 * -ETIMEDOUT (the answer may still come), -ECONNRESET, -EBADMSG, -ENOTCONN (made by
 * web4_agent_new), -ENOBUFS (kept up: events are not taken out), ... */
WEB4_API int web4_agent_reply_wait(web4_agent *agent, uint64_t id, unsigned timeout_ms,
                                   web4_event *ret_event, web4_error *error);
/* Calls and waits for the answer; a handle that is kept up waits until it is attached, first. */
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
    const char
        *reason; /* "opened", "resumed"; "manual", "heartbeat_timeout", ...; "silent", "unread" */
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
