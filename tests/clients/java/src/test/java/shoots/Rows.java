package shoots;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.arrow.flight.AsyncPutListener;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightDescriptor;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.PutResult;
import org.apache.arrow.flight.SyncPutListener;
import org.apache.arrow.flight.Ticket;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.Float8Vector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.FloatingPointPrecision;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.FieldType;
import org.apache.arrow.vector.types.pojo.Schema;

/** Rows to put, and what comes back. */
final class Rows {
  static final Schema SCHEMA =
      new Schema(
          List.of(
              new Field("origin", FieldType.notNullable(new ArrowType.Utf8()), null),
              new Field(
                  "wind",
                  FieldType.nullable(
                      new ArrowType.FloatingPoint(FloatingPointPrecision.DOUBLE)),
                  null)));

  private Rows() {}

  /** Wind speeds at three places, one of them unknown. */
  static VectorSchemaRoot weather(BufferAllocator allocator) {
    VectorSchemaRoot root = VectorSchemaRoot.create(SCHEMA, allocator);
    VarCharVector origin = (VarCharVector) root.getVector("origin");
    Float8Vector wind = (Float8Vector) root.getVector("wind");
    String[] names = {"EWR", "JFK", "LGA"};
    for (int row = 0; row < names.length; row++) {
      origin.setSafe(row, names[row].getBytes(StandardCharsets.UTF_8));
    }
    wind.setSafe(0, 9.5);
    wind.setNull(1);
    wind.setSafe(2, 11.25);
    root.setRowCount(names.length);
    return root;
  }

  /** Puts the weather, and gives what the server says of it. */
  static String put(
      FlightClient client, BufferAllocator allocator, String command, CallOption... options)
      throws Exception {
    try (VectorSchemaRoot rows = weather(allocator);
        SyncPutListener answers = new SyncPutListener()) {
      FlightDescriptor descriptor =
          FlightDescriptor.command(command.getBytes(StandardCharsets.UTF_8));
      FlightClient.ClientStreamListener stream =
          client.startPut(descriptor, rows, answers, options);
      stream.putNext();
      stream.completed();
      try (PutResult answer = answers.read()) {
        byte[] told = new byte[(int) answer.getApplicationMetadata().readableBytes()];
        answer.getApplicationMetadata().getBytes(0, told);
        stream.getResult();
        return new String(told, StandardCharsets.UTF_8);
      }
    }
  }

  /** Puts the weather where that is refused. */
  static void tryPut(FlightClient client, BufferAllocator allocator, String command) {
    try (VectorSchemaRoot rows = weather(allocator)) {
      FlightDescriptor descriptor =
          FlightDescriptor.command(command.getBytes(StandardCharsets.UTF_8));
      FlightClient.ClientStreamListener stream =
          client.startPut(descriptor, rows, new AsyncPutListener());
      stream.putNext();
      stream.completed();
      stream.getResult();
    }
  }

  /** All rows of a get, each as its values. */
  static List<List<Object>> get(FlightClient client, String ticket, CallOption... options)
      throws Exception {
    try (FlightStream stream =
        client.getStream(new Ticket(ticket.getBytes(StandardCharsets.UTF_8)), options)) {
      return read(stream);
    }
  }

  static List<List<Object>> read(FlightStream stream) {
    List<List<Object>> rows = new ArrayList<>();
    while (stream.next()) {
      VectorSchemaRoot batch = stream.getRoot();
      for (int row = 0; row < batch.getRowCount(); row++) {
        List<Object> values = new ArrayList<>();
        for (FieldVector column : batch.getFieldVectors()) {
          Object value = column.getObject(row);
          values.add(value instanceof Number || value == null ? value : value.toString());
        }
        rows.add(values);
      }
    }
    return rows;
  }
}
