/* places.c - where a node's files lie. */
#include "node/places.h"

static const char *place(Arena *arena, const char *below, const char *path) { return str_printf(arena, "%s%s", below, path).ptr; }

bool node_places(Arena *arena, const char *below, NodePlaces *out, Err *err)
{
    *out = (NodePlaces){
        .below = str_dup(arena, str_from(below)).ptr,
        .join_file = place(arena, below, NODE_JOIN_FILE),
        .credential_file = place(arena, below, NODE_STATE_DIR "/credential"),
        .lease_file = place(arena, below, "/run/vaultyard/lease"),
        .certificates_file = place(arena, below, "/run/vaultyard/certificates.json"),
        .state_dir = place(arena, below, NODE_STATE_DIR),
        .runs_dir = place(arena, below, NODE_STATE_DIR "/runs"),
        .tasks_dir = place(arena, below, NODE_TASKS_DIR),
        .egress_socket = place(arena, below, "/run/vaultyard/site/egress.sock"),
        .etc_dir = place(arena, below, "/etc"),
        .home_dir = place(arena, below, "/home"),
    };
    return arena_ok(arena) || err_too_big(err);
}
