import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { children, context, readTlv } from '../pki/der.ts'

/** What only the two ends of one TLS connection know. */
export interface ChannelBindings {
  /** RFC 5929 section 3: the first Finished message of the handshake. TLS 1.2 with extended master secret only. */
  tlsUnique?: Buffer
  /** RFC 9266: 32 octets from the exporter. TLS 1.3, or TLS 1.2 with extended master secret. */
  tlsExporter?: Buffer
}

/**
 * The channel bindings of the connection that a request came over; empty for plain HTTP, and for TLS 1.2 without extended master secret, where somebody in the
 * middle could make two connections with the same ones (RFC 7627 section 1).
 */
export function channelBindings({ socket }: IncomingMessage): ChannelBindings {
  if (!(socket instanceof TLSSocket)) return {}
  const protocol = socket.getProtocol()
  const exporter = () => socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
  if (protocol === 'TLSv1.3') return { tlsExporter: exporter() }
  if (protocol !== 'TLSv1.2' || !hasExtendedMasterSecret(socket.getSession())) return {}
  // The client's Finished comes first, but in a resumed session the server's does.
  const first = socket.isSessionReused() ? socket.getFinished() : socket.getPeerFinished()
  return { tlsExporter: exporter(), ...(first ? { tlsUnique: first } : {}) }
}

/** Field [13] of OpenSSL's encoding of a session holds its flags: SSL_SESS_FLAG_EXTMS is the lowest bit. */
function hasExtendedMasterSecret(session: Buffer | undefined): boolean {
  if (!session) return false
  const flags = children(readTlv(session), 64).find(({ tag }) => tag === context(13))
  return flags !== undefined && ((flags.value.at(-1) ?? 0) & 1) === 1
}
