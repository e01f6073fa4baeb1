/* route.c - asking the kernel for the route to an address (rtnetlink(7), RTM_GETROUTE). */
#include "egress/route.h"
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/file.h"

typedef struct Question { struct nlmsghdr head; struct rtmsg route; struct rtattr attribute; uint8_t address[16]; } Question;

/* The kernel has answered when send returns, so nothing is waited for. */
bool route_is_own(void *ctx, const struct in6_addr *address, bool *is_own, Err *err)
{
    bool is_v4 = IN6_IS_ADDR_V4MAPPED(address);
    size_t len = is_v4 ? 4 : 16;
    Question question = { .head = { .nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST },
                          .route = { .rtm_family = is_v4 ? AF_INET : AF_INET6, .rtm_dst_len = (uint8_t)(len * 8) },
                          .attribute = { .rta_len = (uint16_t)RTA_LENGTH(len), .rta_type = RTA_DST } };
    union { struct nlmsghdr head; char bytes[4096]; } answer;
    (void)ctx;
    memcpy(question.address, address->s6_addr + 16 - len, len);
    question.head.nlmsg_len = (uint32_t)(offsetof(Question, address) + len);
    AUTO(fd_close) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || send(fd, &question, question.head.nlmsg_len, 0) < 0)
        return err_errno(err, "cannot ask for a route");
    ssize_t got = recv(fd, &answer, sizeof answer, MSG_DONTWAIT);
    if (got < (ssize_t)NLMSG_LENGTH(sizeof(struct rtmsg)) || answer.head.nlmsg_type != RTM_NEWROUTE)
        return err_set(err, ERR_UNAVAILABLE, "no route leads there");
    const struct rtmsg *route = NLMSG_DATA(&answer.head);
    *is_own = route->rtm_type != RTN_UNICAST;
    return true;
}
