import java.io.FileReader;
import java.io.FileWriter;
import java.io.InputStream;
import java.io.StringWriter;
import java.net.Socket;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.ExtensionsGenerator;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.est.ESTException;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.EnrollmentResponse;
import org.bouncycastle.est.jcajce.ChannelBindingProvider;
import org.bouncycastle.est.jcajce.JcaHttpAuthBuilder;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.jsse.BCSSLSocket;
import org.bouncycastle.jsse.provider.BouncyCastleJsseProvider;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequestBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;

/**
 * The EST client of Bouncy Castle as a program: EstClient OPERATION name=value... It prints what came, ends with 0 when that was good, and with 1 and the server's
 * status and text when it was a refusal.
 *
 * Operations: cacerts, csrattrs, enroll, reenroll, serverkeygen. Settings: server (host:port), label, ca (PEM), cert and key (PEM) for TLS, user, password,
 * tls (TLSv1.2, TLSv1.3), alg (EC, RSA), dn, dns, newkey (where the key goes; read from there if it exists), out (PEM of the certificate), polls (how often it asks
 * again), binding (tls-unique: right; wrong; replayed, that of another connection; absent: none).
 */
public final class EstClient {
  private static final Map<String, String> settings = new HashMap<>();

  private EstClient() {}

  public static void main(String[] args) throws Exception {
    for (int i = 1; i < args.length; i++) {
      int at = args[i].indexOf('=');
      settings.put(args[i].substring(0, at), args[i].substring(at + 1));
    }
    Security.insertProviderAt(new BouncyCastleProvider(), 1);
    Security.insertProviderAt(new BouncyCastleJsseProvider(), 2);
    try {
      perform(args[0]);
    } catch (ESTException refusal) {
      InputStream body = refusal.getBody();
      String text = body == null ? "" : new String(body.readAllBytes(), "UTF-8").trim();
      System.out.println("refused " + refusal.getStatusCode() + " " + text);
      if (refusal.getStatusCode() == 0) refusal.printStackTrace();
      System.exit(1);
    }
  }

  private static void perform(String operation) throws Exception {
    ESTService service = service();
    switch (operation) {
      case "cacerts":
        for (X509CertificateHolder holder : ESTService.storeToArray(service.getCACerts().getCertificateStore()))
          System.out.println("ca " + holder.getSubject());
        return;
      case "csrattrs":
        csrAttributes(service);
        return;
      default:
        order(service, operation);
    }
  }

  private static void csrAttributes(ESTService service) throws Exception {
    var response = service.getCSRAttributes();
    if (!response.hasAttributesResponse()) System.out.println("no attributes");
    else for (ASN1ObjectIdentifier id : response.getAttributesResponse().getRequirements()) System.out.println("wants " + id);
  }

  private static void order(ESTService service, String operation) throws Exception {
    KeyPair pair = keyPair();
    var builder = new JcaPKCS10CertificationRequestBuilder(new X500Name(settings.getOrDefault("dn", "")), pair.getPublic());
    String dns = settings.get("dns");
    if (dns != null) addName(builder, dns);
    String algorithm = pair.getPublic().getAlgorithm().startsWith("EC") ? "SHA256withECDSA" : "SHA256withRSA";
    ContentSigner signer = new JcaContentSignerBuilder(algorithm).build(pair.getPrivate());
    EnrollmentResponse response = ask(service, operation, builder, signer);
    int polls = Integer.parseInt(settings.getOrDefault("polls", "0"));
    while (!response.isCompleted() && polls-- > 0) {
      System.out.println("waits");
      Thread.sleep(Math.max(0, response.getNotBefore() - System.currentTimeMillis()) + 10);
      response = service.simpleEnroll(response);
    }
    if (!response.isCompleted()) {
      System.out.println("still waits");
      System.exit(2);
    }
    show(response);
  }

  private static EnrollmentResponse ask(
      ESTService service, String operation, PKCS10CertificationRequestBuilder builder, ContentSigner signer) throws Exception {
    String user = settings.get("user");
    var auth = user == null ? null : new JcaHttpAuthBuilder(user, settings.get("password").toCharArray()).build();
    boolean again = operation.equals("reenroll");
    boolean linked = settings.containsKey("binding");
    if (operation.equals("serverkeygen"))
      return linked
          ? service.simpleEnrollPopWithServersideCreation(builder, signer, auth)
          : service.simpleEnrollWithServersideCreation(builder.build(signer), auth);
    return linked
        ? service.simpleEnrollPoP(again, builder, signer, auth)
        : service.simpleEnroll(again, builder.build(signer), auth);
  }

  private static void show(EnrollmentResponse response) throws Exception {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      for (X509CertificateHolder holder : ESTService.storeToArray(response.getStore())) {
        System.out.println("issued " + holder.getSubject() + " by " + holder.getIssuer());
        writer.writeObject(holder);
      }
    }
    save("out", text.toString());
    PrivateKeyInfo made = response.getPrivateKeyInfo();
    if (made == null) return;
    System.out.println("key " + made.getPrivateKeyAlgorithm().getAlgorithm());
    saveKey(new JcaPEMKeyConverter().getPrivateKey(made));
  }

  private static void addName(PKCS10CertificationRequestBuilder builder, String dns) throws Exception {
    ExtensionsGenerator extensions = new ExtensionsGenerator();
    extensions.addExtension(Extension.subjectAlternativeName, false, new GeneralNames(new GeneralName(GeneralName.dNSName, dns)));
    builder.addAttribute(PKCSObjectIdentifiers.pkcs_9_at_extensionRequest, extensions.generate());
  }

  private static ESTService service() throws Exception {
    var trusted = Collections.singleton(new TrustAnchor(certificate(settings.get("ca")), null));
    var builder =
        new JsseESTServiceBuilder(settings.get("server"), JcaJceUtils.getCertPathTrustManager(trusted, null))
            .withProvider(BouncyCastleJsseProvider.PROVIDER_NAME)
            .withTLSVersion(settings.getOrDefault("tls", "TLSv1.2"))
            .withTimeout(30_000);
    String cert = settings.get("cert");
    if (cert != null) builder.withKeyManagers(keyManagers(certificate(cert), privateKey(settings.get("key"))));
    String binding = settings.get("binding");
    if (binding != null) builder.withChannelBindingProvider(new Binding(binding));
    String label = settings.get("label");
    if (label != null) builder.withLabel(label);
    return builder.build();
  }

  private static javax.net.ssl.KeyManager[] keyManagers(X509Certificate certificate, PrivateKey key) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12", "BC");
    store.load(null, null);
    store.setKeyEntry("client", key, new char[0], new X509Certificate[] {certificate});
    KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX", BouncyCastleJsseProvider.PROVIDER_NAME);
    factory.init(store, new char[0]);
    return factory.getKeyManagers();
  }

  private static KeyPair keyPair() throws Exception {
    String file = settings.get("newkey");
    if (file != null && new java.io.File(file).length() > 0) {
      try (PEMParser parser = new PEMParser(new FileReader(file))) {
        return new JcaPEMKeyConverter().getKeyPair((PEMKeyPair) parser.readObject());
      }
    }
    boolean rsa = settings.getOrDefault("alg", "EC").equals("RSA");
    KeyPairGenerator generator = KeyPairGenerator.getInstance(rsa ? "RSA" : "EC", "BC");
    generator.initialize(rsa ? 2048 : 256);
    KeyPair pair = generator.generateKeyPair();
    saveKey(pair.getPrivate());
    return pair;
  }

  private static void saveKey(PrivateKey key) throws Exception {
    StringWriter text = new StringWriter();
    try (JcaPEMWriter writer = new JcaPEMWriter(text)) {
      writer.writeObject(key);
    }
    save("newkey", text.toString());
  }

  private static void save(String setting, String text) throws Exception {
    String file = settings.get(setting);
    if (file == null) return;
    try (FileWriter writer = new FileWriter(file)) {
      writer.write(text);
    }
  }

  private static X509Certificate certificate(String file) throws Exception {
    try (PEMParser parser = new PEMParser(new FileReader(file))) {
      return new JcaX509CertificateConverter().getCertificate((X509CertificateHolder) parser.readObject());
    }
  }

  private static PrivateKey privateKey(String file) throws Exception {
    try (PEMParser parser = new PEMParser(new FileReader(file))) {
      Object found = parser.readObject();
      JcaPEMKeyConverter converter = new JcaPEMKeyConverter();
      return found instanceof PEMKeyPair
          ? converter.getKeyPair((PEMKeyPair) found).getPrivate()
          : converter.getPrivateKey((PrivateKeyInfo) found);
    }
  }

  /** tls-unique of BCJSSE's connections; or one that is not of this connection. */
  private static final class Binding implements ChannelBindingProvider {
    private final String kind;

    Binding(String kind) {
      this.kind = kind;
    }

    @Override
    public boolean canAccessChannelBinding(Socket socket) {
      return socket instanceof BCSSLSocket;
    }

    @Override
    public byte[] getChannelBinding(Socket socket, String type) {
      var connection = ((BCSSLSocket) socket).getConnection();
      if (kind.equals("replayed")) return ofAnotherConnection(type);
      byte[] own = connection.getChannelBinding(type);
      if (kind.equals("wrong")) own[0] ^= 1;
      return own;
    }

    /** Of one that is open at the same time. */
    private static byte[] ofAnotherConnection(String type) {
      String[] server = settings.get("server").split(":");
      try {
        var context = javax.net.ssl.SSLContext.getInstance("TLSv1.2", BouncyCastleJsseProvider.PROVIDER_NAME);
        var trusted = Collections.singleton(new TrustAnchor(certificate(settings.get("ca")), null));
        context.init(null, JcaJceUtils.getCertPathTrustManager(trusted, null), null);
        Socket other = context.getSocketFactory().createSocket(server[0], Integer.parseInt(server[1]));
        ((javax.net.ssl.SSLSocket) other).startHandshake();
        return ((BCSSLSocket) other).getConnection().getChannelBinding(type);
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }
  }
}
