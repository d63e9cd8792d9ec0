/* What init accepts as weights: the whole blob, of this network, undamaged. Every fault has a status of its own. */
static cnn_status cnn_check_weights(const void *weights, size_t bytes, size_t expected_bytes, uint64_t fingerprint)
{
    static const unsigned char magic[8] = {'C', 'N', 'N', 'C', 'W', 'T', 'S', 0};
    const cnn_blob_header *header = (const cnn_blob_header *)weights;
    const unsigned char *start = (const unsigned char *)weights;
    uint32_t reserved = 0;
    size_t i;
    if (weights == NULL || bytes == 0) {
        return CNN_ERROR_WEIGHTS_MISSING;
    }
    if ((uintptr_t)weights % CNN_ALIGNMENT != 0) {
        return CNN_ERROR_WEIGHTS_MISALIGNED;
    }
    for (i = 0; i < sizeof magic && i < bytes; ++i) {
        if (start[i] != magic[i]) {
            return CNN_ERROR_WEIGHTS_NOT_A_BLOB;
        }
    }
    if (bytes < sizeof *header) {
        return CNN_ERROR_WEIGHTS_TRUNCATED;
    }
    if (header->version == (uint32_t)CNN_BLOB_VERSION << 24) {
        return CNN_ERROR_WEIGHTS_BYTE_ORDER;
    }
    if (header->version != CNN_BLOB_VERSION) {
        return CNN_ERROR_WEIGHTS_VERSION;
    }
    if (header->fingerprint != fingerprint) {
        return CNN_ERROR_WEIGHTS_NETWORK;
    }
    if (bytes < expected_bytes) {
        return CNN_ERROR_WEIGHTS_TRUNCATED;
    }
    if (bytes > expected_bytes) {
        return CNN_ERROR_WEIGHTS_TOO_LONG;
    }
    for (i = 0; i < sizeof header->reserved / sizeof header->reserved[0]; ++i) {
        reserved |= header->reserved[i];
    }
    if (header->bytes != expected_bytes || reserved != 0 ||
        header->checksum != cnn_checksum((const uint32_t *)weights + sizeof *header / sizeof(uint32_t),
                                         (expected_bytes - sizeof *header) / sizeof(uint32_t))) {
        return CNN_ERROR_WEIGHTS_DAMAGED;
    }
    return CNN_OK;
}
