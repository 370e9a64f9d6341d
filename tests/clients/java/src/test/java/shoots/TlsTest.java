package shoots;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.io.InputStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.apache.arrow.flight.CallStatus;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStatusCode;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.grpc.CredentialCallOption;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Encrypted connections, and tokens. */
class TlsTest {
  private static final String SECRET = "a secret of the tests, which is long enough to be one";

  /**
   * Writes a certificate for localhost that signs itself, `cert.pem`, and its key, `key.pem`: as Java has it, without its
   * public part if it is on an elliptic curve.
   */
  private static void certify(Path folder, String... kind) throws Exception {
    Path store = folder.resolve("store.p12");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
    command.addAll(List.of("-genkeypair", "-alias", "server"));
    command.addAll(List.of(kind));
    command.addAll(List.of("-dname", "CN=localhost", "-ext", "san=dns:localhost", "-ext", "bc:c"));
    command.addAll(List.of("-validity", "1", "-storetype", "PKCS12"));
    command.addAll(List.of("-keystore", store.toString(), "-storepass", "changeit"));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String told = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException(told);
    }
    KeyStore keys = KeyStore.getInstance("PKCS12");
    char[] password = "changeit".toCharArray();
    try (InputStream bytes = Files.newInputStream(store)) {
      keys.load(bytes, password);
    }
    Key key = keys.getKey("server", password);
    write(folder.resolve("key.pem"), "PRIVATE KEY", key.getEncoded());
    write(folder.resolve("cert.pem"), "CERTIFICATE", keys.getCertificate("server").getEncoded());
  }

  private static void write(Path path, String kind, byte[] bytes) throws IOException {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(bytes);
    Files.writeString(path, "-----BEGIN " + kind + "-----\n" + text + "\n-----END " + kind + "-----\n");
  }

  /** A token of an admin that was signed with a secret, as the server's binary makes them. */
  private static String token(String secret) throws Exception {
    ProcessBuilder builder = new ProcessBuilder(Server.binary(), "token", "--admin");
    builder.environment().put("SHOOTS_SECRET", secret);
    Process process = builder.start();
    String told = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor());
    return told.strip();
  }

  private static CredentialCallOption bearing(String token) {
    return new CredentialCallOption(
        headers -> headers.insert("authorization", "Bearer " + token));
  }

  @ParameterizedTest
  @ValueSource(strings = {"RSA -keysize 2048", "EC -groupname secp256r1", "EC -groupname secp384r1"})
  void encryptedConnectionsWithATokenAreLetInAndOthersAreNot(String kind, @TempDir Path folder)
      throws Exception {
    certify(folder, ("-keyalg " + kind).split(" "));
    Path cert = folder.resolve("cert.pem");
    Path secret = Files.writeString(folder.resolve("secret"), SECRET);
    String[] flags = {
      "--cert-file", cert.toString(),
      "--key-file", folder.resolve("key.pem").toString(),
      "--secret-file", secret.toString(),
    };
    try (Server server = Server.start(folder, "grpc+tls", flags);
        BufferAllocator allocator = new RootAllocator();
        InputStream trusted = Files.newInputStream(cert);
        FlightClient client =
            FlightClient.builder(allocator, Location.forGrpcTls("localhost", server.port))
                .trustedCertificates(trusted)
                .build()) {
      CredentialCallOption let = bearing(token(SECRET));
      Rows.put(client, allocator, "{\"name\":\"weather\"}", let);
      assertEquals(FlightTest.WEATHER, Rows.get(client, "{\"name\":\"weather\"}", let));
      for (String wrong : new String[] {"nonsense", token(SECRET.replace("tests", "thief"))}) {
        refused(client, bearing(wrong));
      }
      refused(client);

      String url =
          "jdbc:arrow-flight-sql://localhost:"
              + server.port
              + "/?useEncryption=true&tlsRootCerts="
              + URLEncoder.encode(cert.toString(), StandardCharsets.UTF_8);
      try (Connection connection = DriverManager.getConnection(url + "&token=" + token(SECRET))) {
        SqlTest.asks(connection);
      }
      assertThrows(
          SQLException.class,
          () -> {
            try (Connection connection = DriverManager.getConnection(url + "&token=nonsense")) {
              SqlTest.asks(connection);
            }
          });
    }
  }

  private static void refused(FlightClient client, CredentialCallOption... options) {
    FlightRuntimeException error =
        assertThrows(
            FlightRuntimeException.class,
            () -> Rows.get(client, "{\"name\":\"weather\"}", options));
    CallStatus status = error.status();
    assertEquals(FlightStatusCode.UNAUTHENTICATED, status.code(), error.toString());
  }
}
