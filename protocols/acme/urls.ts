/** Where the resources of one profile are: `root` is the configured base URL, /acme/ and the profile's name. Never built from Host. */
export const urls = {
  directory: (root: string) => `${root}/directory`,
  newNonce: (root: string) => `${root}/new-nonce`,
  newAccount: (root: string) => `${root}/new-account`,
  newAuthz: (root: string) => `${root}/new-authz`,
  newOrder: (root: string) => `${root}/new-order`,
  keyChange: (root: string) => `${root}/key-change`,
  revokeCert: (root: string) => `${root}/revoke-cert`,
  account: (root: string, id: string) => `${root}/account/${id}`,
  /** accountHashPrefix of the directory (draft-ietf-acme-dns-persist-02 section 4.1): text, nothing is served there. */
  accountHash: (root: string) => `${root}/account-hash/`,
  orders: (root: string, id: string, cursor?: string) =>
    `${root}/account/${id}/orders${cursor === undefined ? '' : `?cursor=${cursor}`}`,
  order: (root: string, id: string) => `${root}/order/${id}`,
  finalize: (root: string, id: string) => `${root}/order/${id}/finalize`,
  authorization: (root: string, id: string) => `${root}/authz/${id}`,
  challenge: (root: string, authorization: string, type: string) => `${root}/challenge/${authorization}/${type}`,
  certificate: (root: string, id: string, chain?: number) =>
    `${root}/certificate/${id}${chain === undefined ? '' : `/${chain}`}`,
  renewalInfo: (root: string) => `${root}/renewal-info`,
}
