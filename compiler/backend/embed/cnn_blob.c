/* The weights blob: a header of 64 bytes, then the packed weights in the order in which the steps read them, each segment
 * on a multiple of 64 bytes, gaps filled with zeros. All numbers are little-endian. A header word that is reserved is 0,
 * so every bit of a blob is checked: the header's by comparison, the rest by the checksum. */
typedef struct cnn_blob_header {
    unsigned char magic[8]; /* "CNNCWTS" and a zero */
    uint32_t version;       /* of this layout: 1 */
    uint32_t checksum;      /* cnn_checksum of everything after the header */
    uint64_t bytes;         /* of the whole blob, this header included */
    uint64_t fingerprint;   /* of the program that the weights were packed for */
    uint32_t reserved[8];
} cnn_blob_header;

enum { CNN_BLOB_VERSION = 1, CNN_CHECKSUM_LANES = 16 };

/* Checksum, in pieces: 16 lanes of FNV-1a, lane i over the words i, i + 16, i + 32 ...; at the end the lanes are joined by
 * FNV-1a. Every step maps states one to one, so a change of a single word always shows; lanes do not wait for each
 * other, so it runs at the speed of memory. */
static void cnn_checksum_start(uint32_t lanes[CNN_CHECKSUM_LANES])
{
    int lane;
    for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
        lanes[lane] = 2166136261u;
    }
}

/* `count` is a multiple of 16. */
static void cnn_checksum_add(uint32_t lanes[CNN_CHECKSUM_LANES], const uint32_t *words, size_t count)
{
    uint32_t state[CNN_CHECKSUM_LANES]; /* a copy: it cannot overlap `words`, so it may stay in registers */
    size_t i;
    int lane;
    for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
        state[lane] = lanes[lane];
    }
    for (i = 0; i + CNN_CHECKSUM_LANES <= count; i += CNN_CHECKSUM_LANES) {
        for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
            state[lane] = (state[lane] ^ words[i + (size_t)lane]) * 16777619u;
        }
    }
    for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
        lanes[lane] = state[lane];
    }
}

static uint32_t cnn_checksum_end(const uint32_t lanes[CNN_CHECKSUM_LANES])
{
    uint32_t sum = 2166136261u;
    int lane;
    for (lane = 0; lane < CNN_CHECKSUM_LANES; ++lane) {
        sum = (sum ^ lanes[lane]) * 16777619u;
    }
    return sum;
}

/* Of all words at once; `count` is a multiple of 16. */
static inline uint32_t cnn_checksum(const uint32_t *words, size_t count)
{
    uint32_t lanes[CNN_CHECKSUM_LANES];
    cnn_checksum_start(lanes);
    cnn_checksum_add(lanes, words, count);
    return cnn_checksum_end(lanes);
}
