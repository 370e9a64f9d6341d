package shoots;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The real server as a process, on a free port and a folder of its own. Closing it stops it, which must go in order. */
final class Server implements AutoCloseable {
  private final Process process;
  private final Path log;
  final String host;
  final int port;

  private Server(Process process, Path log, String address) {
    this.process = process;
    this.log = log;
    int colon = address.lastIndexOf(':');
    host = address.substring(0, colon);
    port = Integer.parseInt(address.substring(colon + 1));
  }

  /** Starts a server whose addresses begin with a scheme, and waits until it is ready. */
  static Server start(Path folder, String scheme, String... flags) throws IOException {
    List<String> command = new ArrayList<>(List.of(binary(), "--port", "0", "--bucket-dir"));
    command.add(folder.resolve("buckets").toString());
    command.addAll(Arrays.asList(flags));
    Path log = folder.resolve("server.log");
    ProcessBuilder builder = new ProcessBuilder(command).redirectError(log.toFile());
    builder.environment().keySet().removeIf(name -> name.startsWith("SHOOTS_"));
    Process process = builder.start();
    BufferedReader output =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    String line = output.readLine();
    String beginning = "shoots-server listening on " + scheme + "://";
    if (line == null || !line.startsWith(beginning)) {
      process.destroyForcibly();
      throw new IOException("unexpected first line " + line + ": " + Files.readString(log));
    }
    return new Server(process, log, line.substring(beginning.length()));
  }

  /** The path of the binary. */
  static String binary() {
    String path = System.getenv("SHOOTS_SERVER");
    if (path == null) {
      throw new IllegalStateException(
          "SHOOTS_SERVER must be the path of the server binary; `cargo xtask clients` sets it");
    }
    return path;
  }

  @Override
  public void close() throws IOException, InterruptedException {
    process.destroy();
    boolean ended = process.waitFor(60, TimeUnit.SECONDS);
    process.destroyForcibly();
    String told = Files.readString(log);
    if (!ended || process.waitFor() != 0 || told.contains("panicked")) {
      throw new IOException("the server did not end in order: " + told);
    }
  }
}
