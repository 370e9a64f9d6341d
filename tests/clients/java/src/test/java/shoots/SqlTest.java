package shoots;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightInfo;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.sql.FlightSqlClient;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Flight SQL, by its own client and by the JDBC driver. */
class SqlTest {
  @Test
  void theClientOfFlightSqlAsks(@TempDir Path folder) throws Exception {
    try (Server server = Server.start(folder, "grpc");
        BufferAllocator allocator = new RootAllocator();
        FlightClient plain =
            FlightClient.builder(
                    allocator, Location.forGrpcInsecure(server.host, server.port))
                .build();
        FlightSqlClient client = new FlightSqlClient(plain)) {
      Rows.put(plain, allocator, "{\"name\":\"weather\"}");
      FlightInfo info = client.execute("select wind from weather where origin = 'EWR'");
      try (FlightStream stream = client.getStream(info.getEndpoints().get(0).getTicket())) {
        assertEquals(List.of(List.of(9.5)), Rows.read(stream));
      }
    }
  }

  @Test
  void theJdbcDriverAsks(@TempDir Path folder) throws Exception {
    try (Server server = Server.start(folder, "grpc");
        BufferAllocator allocator = new RootAllocator();
        FlightClient plain =
            FlightClient.builder(
                    allocator, Location.forGrpcInsecure(server.host, server.port))
                .build()) {
      Rows.put(plain, allocator, "{\"name\":\"weather\"}");
      String url =
          "jdbc:arrow-flight-sql://" + server.host + ":" + server.port + "/?useEncryption=false";
      try (Connection connection = DriverManager.getConnection(url)) {
        asks(connection);
      }
    }
  }

  /** What a connection must be able to do with the weather. */
  static void asks(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows =
            statement.executeQuery("select origin, wind from weather order by origin")) {
      assertEquals(Types.DOUBLE, rows.getMetaData().getColumnType(2));
      assertTrue(rows.next());
      assertEquals("EWR", rows.getString("origin"));
      assertEquals(9.5, rows.getDouble("wind"));
      assertTrue(rows.next());
      rows.getDouble(2);
      assertTrue(rows.wasNull());
      assertTrue(rows.next());
      assertFalse(rows.next());
    }
    try (PreparedStatement statement =
        connection.prepareStatement("select origin from weather where wind > ?")) {
      statement.setDouble(1, 10);
      try (ResultSet rows = statement.executeQuery()) {
        assertTrue(rows.next());
        assertEquals("LGA", rows.getString(1));
        assertFalse(rows.next());
      }
    }
    try (ResultSet tables = connection.getMetaData().getTables(null, null, "weather", null)) {
      assertTrue(tables.next());
      assertEquals("weather", tables.getString("TABLE_NAME"));
      assertFalse(tables.next());
    }
    try (Statement statement = connection.createStatement()) {
      assertThrows(SQLException.class, () -> statement.executeQuery("select from"));
      assertThrows(SQLException.class, () -> statement.executeQuery("select * from nobody"));
    }
  }
}
